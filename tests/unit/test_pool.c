/* The pool of small blocks: contents, alignment, what it keeps, and no memory left. */
#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <malloc.h>
#include <sys/resource.h>

#ifdef __SANITIZE_ADDRESS__
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static int open_pool(void **state)
{
    *state = pool_new();
    return *state != NULL ? 0 : -1;
}

static int close_pool(void **state)
{
    pool_free(*state);
    return 0;
}

struct held {
    unsigned char *bytes;
    size_t size;
    unsigned char fill;
};

static void check(const struct held *h)
{
    assert_int_equal((uintptr_t)h->bytes % _Alignof(max_align_t), 0);
    for (size_t i = 0; i < h->size; i++)
        assert_int_equal(h->bytes[i], h->fill);
}

static void resize(struct pool *p, struct held *h, size_t size)
{
    size_t kept = h->size < size ? h->size : size;
    h->bytes = pool_resize(p, h->bytes, h->size, size);
    assert_true((h->bytes != NULL) == (size > 0));
    for (size_t i = 0; i < kept; i++)
        assert_int_equal(h->bytes[i], h->fill);
    h->size = size;
    h->fill++;
    if (size > 0)
        memset(h->bytes, h->fill, size);
}

/* Blocks of all sizes come, grow, shrink and go; none ever touches another's bytes. */
static void blocks_are_their_own(void **state)
{
    enum { HELD = 300, STEPS = 60000 };
    static const size_t limits[] = { 40, POOL_LARGEST, 4 * POOL_LARGEST };
    static struct held held[HELD];
    uint64_t random = 88172645463325252u;
    for (int step = 0; step < STEPS; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        struct held *h = &held[random % HELD];
        check(h);
        resize(*state, h, (size_t)(random >> 32) % limits[(random >> 20) % 3]);
    }
    for (int i = 0; i < HELD; i++) {
        check(&held[i]);
        resize(*state, &held[i], 0);
    }
}

static void sizes_at_the_edges(void **state)
{
    static const size_t sizes[] = { 1, 15, 16, 17, 32, 33, POOL_LARGEST - 1, POOL_LARGEST,
                                    POOL_LARGEST + 1, 0 };
    enum { SIZES = sizeof sizes / sizeof sizes[0] };
    for (int from = 0; from < SIZES; from++) {
        for (int to = 0; to < SIZES; to++) {
            struct held h = {0};
            resize(*state, &h, sizes[from]);
            resize(*state, &h, sizes[to]);
            check(&h);
            resize(*state, &h, 0);
        }
    }
    assert_null(pool_resize(*state, NULL, 5, 0)); /* Lua gives a type in place of a size */
}

static void freed_blocks_serve_again(void **state)
{
    void *first = pool_resize(*state, NULL, 0, 100);
    assert_null(pool_resize(*state, first, 100, 0));
    assert_ptr_equal(pool_resize(*state, NULL, 0, 112), first);
    assert_ptr_equal(pool_resize(*state, first, 112, 97), first); /* of its own class */

    /* The same again needs no more memory, however often. */
    enum { BLOCKS = 1000 };
    static void *blocks[BLOCKS];
    size_t used = 0;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < BLOCKS; i++)
            blocks[i] = pool_resize(*state, NULL, 0, (size_t)(i % POOL_LARGEST) + 1);
        if (round == 0)
            used = mallinfo2().uordblks;
        for (int i = 0; i < BLOCKS; i++)
            pool_resize(*state, blocks[i], (size_t)(i % POOL_LARGEST) + 1, 0);
    }
    assert_int_equal(mallinfo2().uordblks, used);
}

static int take_all(struct pool *p, size_t size, void **blocks, int most)
{
    int n = 0;
    while (n < most && (blocks[n] = pool_resize(p, NULL, 0, size)) != NULL)
        n++;
    return n;
}

/* With no memory left what grows fails and stays whole, and what shrinks does not fail. */
static void memory_runs_out(void **state)
{
    /* AddressSanitizer's malloc does not return NULL, and valgrind needs some itself. */
    const char *preloaded = getenv("LD_PRELOAD");
    if (SANITIZED || (preloaded != NULL && strstr(preloaded, "vgpreload") != NULL))
        skip();
    enum { MOST = 200000 };
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    struct held small = {0}, large = {0};
    resize(*state, &small, 64);
    resize(*state, &large, 200000);
    void **blocks = calloc(MOST, sizeof *blocks);
    assert_non_null(blocks);
    none = before;
    none.rlim_cur = 1;
    assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
    int largest = take_all(*state, POOL_LARGEST, blocks, MOST);
    int all = largest + take_all(*state, 48, blocks + largest, MOST - largest);
    void *grown = pool_resize(*state, small.bytes, small.size, 400000000);
    unsigned char *kept = pool_resize(*state, large.bytes, large.size, 40);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_true(all < MOST);
    assert_null(grown);
    check(&small);
    assert_non_null(kept);
    large.bytes = kept;
    large.size = 40;
    check(&large);
    resize(*state, &small, 0);
    resize(*state, &large, 0);
    for (int i = 0; i < all; i++)
        pool_resize(*state, blocks[i], i < largest ? POOL_LARGEST : 48, 0);
    free(blocks);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_pool, close_pool)
    const struct CMUnitTest tests[] = {
        TEST(blocks_are_their_own),
        TEST(sizes_at_the_edges),
        TEST(freed_blocks_serve_again),
        TEST(memory_runs_out),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
