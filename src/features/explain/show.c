/* show.c - a plan for people, as a compact tree, and for programs. */
#include "features/explain/explain.h"
#include "wire/json_write.h"

#define SHOWN_BYTES_MAX 120 /* of a condition */

static void condition_show(struct text *text, const char *name, struct bytes condition, int indent)
{
    if (!condition.size)
        return;
    text_printf(text, "%*s  %s %.*s%s\n", indent, "", name,
                (int)(condition.size > SHOWN_BYTES_MAX ? SHOWN_BYTES_MAX : condition.size), condition.data,
                condition.size > SHOWN_BYTES_MAX ? "…" : "");
}

static void title_show(struct text *text, const struct explain_node *node)
{
    if (node->subplan.size)
        text_printf(text, "[%.*s] ", BYTES_ARG(node->subplan));
    text_add(text, node->type);
    if (node->join.size && !bytes_is(node->join, "Inner"))
        text_printf(text, " (%.*s)", BYTES_ARG(node->join));
    if (node->relation.size)
        text_printf(text, " %.*s", BYTES_ARG(node->relation));
    if (node->cte.size)
        text_printf(text, " %.*s", BYTES_ARG(node->cte));
    if (node->index.size)
        text_printf(text, " by %.*s", BYTES_ARG(node->index));
}

static void numbers_show(struct text *text, const struct explain_plan *plan, const struct explain_node *node)
{
    if (!plan->analyzed) {
        text_printf(text, "  rows %.0f, cost %.0f", node->rows, node->cost);
        return;
    }
    if (!node->ran) {
        text_lit(text, "  never run");
        return;
    }
    text_printf(text, "  rows %.0f of %.0f expected", node->actual_rows, node->rows);
    if (node->loops > 1)
        text_printf(text, ", %.0f times", node->loops);
    text_printf(text, ", %.2f ms", node->ms * node->loops);
    if (node->hit + node->read > 0)
        text_printf(text, ", %.0f blocks", node->hit + node->read);
    if (node->read > 0)
        text_printf(text, " (%.0f read)", node->read);
    if (node->disk_kb > 0)
        text_printf(text, ", %.0f kB on disk", node->disk_kb);
}

static void node_show(struct text *text, const struct explain_plan *plan, const struct explain_node *node,
                      int depth)
{
    text_printf(text, "%*s%s", depth * 2, "", depth ? "-> " : "");
    title_show(text, node);
    numbers_show(text, plan, node);
    text_byte(text, '\n');
    const int indent = depth * 2 + (depth ? 3 : 0);
    condition_show(text, "on", node->condition, indent);
    condition_show(text, "keeps", node->filter, indent);
    if (node->ran && node->removed > 0)
        text_printf(text, "%*s  throws away %.0f\n", indent, "", node->removed * node->loops);
    for (const struct explain_node *child = node->first; child; child = child->next)
        node_show(text, plan, child, depth + 1);
}

static void ctes_show(struct text *text, const struct explain_report *report)
{
    for (int i = 0; i < report->ctes_count; i++) {
        const struct explain_cte *cte = &report->ctes[i];
        text_printf(text, "\ncte %.*s: %s", BYTES_ARG(cte->name), explain_fence_names[cte->fence]);
        if (cte->fenced_ms >= 0 && cte->inlined_ms >= 0)
            text_printf(text, "; fenced %.2f ms, inlined %.2f ms", cte->fenced_ms, cte->inlined_ms);
    }
    if (report->ctes_count)
        text_byte(text, '\n');
}

void explain_show(struct text *text, const struct explain_report *report)
{
    const struct explain_plan *plan = report->plan;
    text_add(text, report->sql);
    text_byte(text, '\n');
    for (int i = 0; i < report->params_count; i++)
        text_printf(text, "  $%d = %.*s\n", i + 1,
                    report->params[i].data ? (int)(report->params[i].size > 60 ? 60 : report->params[i].size)
                                           : 4,
                    report->params[i].data ? report->params[i].data : "NULL");
    text_printf(text, "\nas %s: ", report->database);
    if (plan->analyzed)
        text_printf(text, "planned in %.2f ms, ran in %.2f ms\n", plan->planning_ms, plan->execution_ms);
    else
        text_lit(text, "planned, not run (--analyze runs it)\n");
    node_show(text, plan, plan->root, 0);
    ctes_show(text, report);
    text_byte(text, '\n');
    for (int i = 0; i < report->findings->count; i++) {
        const struct explain_finding *finding = &report->findings->items[i];
        text_printf(text, "%s", finding->code);
        if (finding->node) {
            text_lit(text, " (");
            title_show(text, finding->node);
            text_byte(text, ')');
        }
        text_printf(text, ": %s\n  %s\n", finding->message, finding->fix);
    }
    if (!report->findings->count)
        text_lit(text, "nothing found\n");
}

/* ---- JSON ---- */

static void member_text(struct text *text, const char *name, struct bytes value)
{
    if (!value.size)
        return;
    text_printf(text, ",\"%s\":", name);
    json_write_string(text, value);
}

static void node_json(struct text *text, const struct explain_plan *plan, const struct explain_node *node)
{
    text_lit(text, "{\"node\":");
    json_write_string(text, node->type);
    member_text(text, "subplan", node->subplan);
    member_text(text, "relation", node->relation);
    member_text(text, "index", node->index);
    member_text(text, "cte", node->cte);
    member_text(text, "condition", node->condition);
    member_text(text, "filter", node->filter);
    text_printf(text, ",\"cost\":%.2f,\"rows_expected\":%.0f", node->cost, node->rows);
    if (plan->analyzed)
        text_printf(text,
                    ",\"rows\":%.2f,\"loops\":%.0f,\"ms\":%.3f,\"removed\":%.0f,\"blocks_hit\":%.0f,"
                    "\"blocks_read\":%.0f,\"disk_kb\":%.0f",
                    node->actual_rows, node->loops, node->ms * node->loops, node->removed * node->loops,
                    node->hit, node->read, node->disk_kb);
    text_lit(text, ",\"children\":[");
    for (const struct explain_node *child = node->first; child; child = child->next) {
        if (child != node->first)
            text_byte(text, ',');
        node_json(text, plan, child);
    }
    text_lit(text, "]}");
}

static void ctes_json(struct text *text, const struct explain_report *report)
{
    text_lit(text, ",\"ctes\":[");
    for (int i = 0; i < report->ctes_count; i++) {
        const struct explain_cte *cte = &report->ctes[i];
        text_add_z(text, i ? ",{\"name\":" : "{\"name\":");
        json_write_string(text, cte->name);
        text_printf(text, ",\"fence\":\"%s\"", explain_fence_names[cte->fence]);
        if (cte->fenced_ms >= 0 && cte->inlined_ms >= 0)
            text_printf(text, ",\"fenced_ms\":%.3f,\"inlined_ms\":%.3f", cte->fenced_ms, cte->inlined_ms);
        text_byte(text, '}');
    }
    text_byte(text, ']');
}

static void findings_json(struct text *text, const struct explain_findings *findings)
{
    text_lit(text, ",\"findings\":[");
    for (int i = 0; i < findings->count; i++) {
        const struct explain_finding *finding = &findings->items[i];
        text_printf(text, "%s{\"code\":\"%s\",\"message\":", i ? "," : "", finding->code);
        json_write_string(text, bytes_of(finding->message));
        text_lit(text, ",\"fix\":");
        json_write_string(text, bytes_of(finding->fix));
        if (finding->node) {
            member_text(text, "node", finding->node->type);
            member_text(text, "relation", finding->node->relation);
        }
        text_byte(text, '}');
    }
    text_byte(text, ']');
}

void explain_show_json(struct text *text, const struct explain_report *report)
{
    const struct explain_plan *plan = report->plan;
    text_lit(text, "{\"sql\":");
    json_write_string(text, report->sql);
    text_lit(text, ",\"params\":[");
    for (int i = 0; i < report->params_count; i++) {
        text_add_z(text, i ? "," : "");
        if (report->params[i].data)
            json_write_string(text, report->params[i]);
        else
            text_lit(text, "null");
    }
    text_lit(text, "],\"database\":");
    json_write_string(text, bytes_of(report->database));
    text_printf(text, ",\"analyzed\":%s", plan->analyzed ? "true" : "false");
    if (plan->analyzed)
        text_printf(text, ",\"planning_ms\":%.3f,\"execution_ms\":%.3f", plan->planning_ms,
                    plan->execution_ms);
    text_lit(text, ",\"plan\":");
    node_json(text, plan, plan->root);
    ctes_json(text, report);
    findings_json(text, report->findings);
    text_lit(text, "}\n");
}
