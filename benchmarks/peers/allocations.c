/* Counts the blocks that one thread asks of Python's allocators, from begin() to end().

   Two allocators are counted: that of objects, and that of their buffers. Memory that Python takes from a free list, or
   that a library takes from the system, is not. Call both functions with the GIL, from the thread to be counted. */

#include <Python.h>

static const PyMemAllocatorDomain domains[] = {PYMEM_DOMAIN_OBJ, PYMEM_DOMAIN_MEM};
enum { DOMAINS = sizeof domains / sizeof *domains };
static PyMemAllocatorEx plain[DOMAINS];
static unsigned long thread;
static long blocks;

static void count(void)
{
    if (PyThread_get_thread_ident() == thread)
        blocks++;
}

static void *counted_malloc(void *context, size_t size)
{
    PyMemAllocatorEx *allocator = context;
    count();
    return allocator->malloc(allocator->ctx, size);
}

static void *counted_calloc(void *context, size_t number, size_t size)
{
    PyMemAllocatorEx *allocator = context;
    count();
    return allocator->calloc(allocator->ctx, number, size);
}

static void *counted_realloc(void *context, void *block, size_t size)
{
    PyMemAllocatorEx *allocator = context;
    count();
    return allocator->realloc(allocator->ctx, block, size);
}

static void uncounted_free(void *context, void *block)
{
    PyMemAllocatorEx *allocator = context;
    allocator->free(allocator->ctx, block);
}

void begin(void)
{
    thread = PyThread_get_thread_ident();
    blocks = 0;
    for (int i = 0; i < DOMAINS; i++) {
        PyMemAllocatorEx counted = {&plain[i], counted_malloc, counted_calloc, counted_realloc, uncounted_free};
        PyMem_GetAllocator(domains[i], &plain[i]);
        PyMem_SetAllocator(domains[i], &counted);
    }
}

long end(void)
{
    for (int i = 0; i < DOMAINS; i++)
        PyMem_SetAllocator(domains[i], &plain[i]);
    return blocks;
}
