#include "base/symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct function {
    uint64_t at, size;
    const char *name; /* in the mapped file, which stays mapped */
};

static struct function *functions; /* by address */
static size_t functions_count;
static uintptr_t base; /* where the program is loaded */

static int by_address(const void *a, const void *b)
{
    const struct function *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

static bool inside(size_t size, uint64_t at, uint64_t bytes)
{
    return at <= size && bytes <= size - at;
}

static void take_table(const char *file, size_t size, const Elf64_Shdr *table, const Elf64_Shdr *names)
{
    const size_t count = table->sh_size / sizeof(Elf64_Sym);
    if (!inside(size, table->sh_offset, table->sh_size) || !inside(size, names->sh_offset, names->sh_size) ||
        names->sh_size == 0 || file[names->sh_offset + names->sh_size - 1] != '\0')
        return;
    functions = calloc(count ? count : 1, sizeof *functions);
    if (!functions)
        return;
    for (size_t i = 0; i < count; i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, file + table->sh_offset + i * sizeof symbol, sizeof symbol);
        if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC && symbol.st_value && symbol.st_name < names->sh_size)
            functions[functions_count++] = (struct function){ symbol.st_value, symbol.st_size,
                                                              file + names->sh_offset + symbol.st_name };
    }
    qsort(functions, functions_count, sizeof *functions, by_address);
}

static void take_sections(const char *file, size_t size)
{
    Elf64_Ehdr head;
    if (size < sizeof head)
        return;
    memcpy(&head, file, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_shentsize != sizeof(Elf64_Shdr) ||
        !inside(size, head.e_shoff, (uint64_t)head.e_shnum * sizeof(Elf64_Shdr)))
        return;
    for (unsigned i = 0; i < head.e_shnum; i++) {
        Elf64_Shdr table, names;
        memcpy(&table, file + head.e_shoff + i * sizeof table, sizeof table);
        if (table.sh_type != SHT_SYMTAB || table.sh_link >= head.e_shnum)
            continue;
        memcpy(&names, file + head.e_shoff + table.sh_link * sizeof names, sizeof names);
        take_table(file, size, &table, &names);
        return;
    }
}

static int take_base(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size, (void)arg;
    base = info->dlpi_addr; /* the program comes first */
    return 1;
}

static void read_program(void)
{
    struct stat about;
    (void)dl_iterate_phdr(take_base, NULL);
    const int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fstat(fd, &about) == 0 && about.st_size > 0) {
        void *file = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (file != MAP_FAILED)
            take_sections(file, (size_t)about.st_size);
    }
    close(fd);
}

static const struct function *find(uint64_t at)
{
    size_t low = 0, high = functions_count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (functions[middle].at <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    const struct function *function = &functions[low - 1];
    const uint64_t past = at - function->at;
    return past < function->size || (function->size == 0 && past < 4096) ? function : NULL;
}

static void program_read_once(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_program);
}

bool symbol_is_own(const void *return_address)
{
    program_read_once();
    const uintptr_t at = (uintptr_t)return_address - 1;
    return at >= base && find(at - base) != NULL;
}

void symbol_write(const void *address, bool is_return, bool with_offset, char text[static SYMBOL_TEXT_BYTES])
{
    program_read_once();
    const uintptr_t at = (uintptr_t)address - (is_return ? 1 : 0);
    const struct function *function = at >= base ? find(at - base) : NULL;
    Dl_info info;
    const char *name = NULL, *file = "", *colon = "";
    uint64_t offset = 0;
    if (function) {
        name = function->name;
        offset = (uint64_t)((uintptr_t)address - base - function->at);
    } else if (dladdr((const void *)at, &info) && info.dli_fname) {
        const char *slash = strrchr(info.dli_fname, '/');
        file = slash ? slash + 1 : info.dli_fname;
        colon = info.dli_sname ? ":" : "";
        name = info.dli_sname ? info.dli_sname : "";
        offset =
            (uint64_t)((uintptr_t)address - (uintptr_t)(info.dli_sname ? info.dli_saddr : info.dli_fbase));
    }
    if (!name)
        snprintf(text, SYMBOL_TEXT_BYTES, "%p", address);
    else if (with_offset)
        snprintf(text, SYMBOL_TEXT_BYTES, "%s%s%.60s+0x%llx", file, colon, name, (unsigned long long)offset);
    else
        snprintf(text, SYMBOL_TEXT_BYTES, "%s%s%.60s", file, colon, name);
}
