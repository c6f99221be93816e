"""gdb: `source tools/gdb/lintel-gdb.py`, then `lintel fibers` (every core of this process or core file) and
`lintel backtrace FIBER` (the stack of a parked one)."""
import gdb


def cores():
    """struct core * of each thread that is one: the thread-local `here` of fiber/core.c."""
    seen = gdb.selected_thread()
    for thread in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num):
        thread.switch()
        try:
            core = gdb.parse_and_eval("'core.c'::here")
        except gdb.error:
            continue
        if int(core):
            yield thread, core
    if seen:
        seen.switch()


def text(value):
    return value.string(errors="replace") if int(value) else "-"


def fibers():
    for thread, core in cores():
        fiber = core["all"]
        while int(fiber):
            yield core, fiber
            fiber = fiber["all_next"]


class Lintel(gdb.Command):
    """Lintel's fibers: `lintel fibers`, `lintel backtrace ADDRESS`."""

    def __init__(self):
        super().__init__("lintel", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class Fibers(gdb.Command):
    """Lists every fiber: address, core, name, route, what it waits for, age."""

    def __init__(self):
        super().__init__("lintel fibers", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        count = 0
        for core, fiber in fibers():
            age_ms = (int(core["now_ns"]) - int(fiber["started_ns"])) / 1e6
            state = text(fiber["wait"]) if fiber["parked"] else "runs"
            print("%#x core %d %-12s %-32s %-16s %10.1f ms %s" % (
                int(fiber), int(core["index"]), text(fiber["name"]), text(fiber["log"]["route"]), state, age_ms,
                text(fiber["log"]["correlation_id"])))
            count += 1
        print("%d fibers" % count)


class Backtrace(gdb.Command):
    """The stack of one parked fiber. fcontext keeps, from its pointer up: mxcsr and x87 words, r12 to r15, rbx, rbp, rip."""

    def __init__(self):
        super().__init__("lintel backtrace", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        fiber = gdb.parse_and_eval("(struct fiber *)(%s)" % argument)
        context = int(fiber["context"])
        word = gdb.lookup_type("unsigned long")
        at = lambda offset: int(gdb.Value(context + offset).cast(word.pointer()).dereference())
        frame, code = at(0x30), at(0x38)  # Boost.Context, jump_x86_64_sysv_elf_gas.S
        for depth in range(64):
            block = gdb.block_for_pc(code)
            symbol = gdb.decode_line("*%#x" % code)[1]
            name = block.function if block and block.function else "?"
            line = symbol[0] if symbol else None
            print("#%-2d %#x %s %s" % (depth, code, name, "%s:%d" % (line.symtab, line.line) if line and line.symtab else ""))
            if not frame:
                break
            try:
                word_at = lambda a: int(gdb.Value(a).cast(word.pointer()).dereference())
                frame, code = word_at(frame), word_at(frame + 8)
            except gdb.MemoryError:
                break
            if not code:
                break


Lintel()
Fibers()
Backtrace()
