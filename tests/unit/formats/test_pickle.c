/* SPDX-License-Identifier: Apache-2.0
 *
 * The pickle machine alone: whatever a pickle asks for, nothing is run, every name is held against the list,
 * and work and memory stay within the pickle's length.
 */
#include "formats/pickle.h"

#include "unit/formats/pickle_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cmocka.h>

static const char *const allowed[] = {"collections.OrderedDict", "torch.FloatStorage", NULL};

static ito_status parse(const void *data, size_t n, ito_error *err) {
    ito__pickle *p = NULL;
    ito_status st = ito__pickle_parse("file", data, n, allowed, &p, NULL, err);
    assert_true((st == ITO_OK) == (p != NULL));
    ito__pickle_free(p);
    return st;
}

#define BYTES(literal) literal, sizeof(literal) - 1

static void malicious_pickles_are_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *what, *data;
        size_t n;
        const char *name;
    } cases[] = {
        {"protocol 0", BYTES("cos\nsystem\n(S'id'\ntR."), "os.system"},
        {"protocol 1", BYTES("cposix\nsystem\nq\0(U\2idq\1tq\2R."), "posix.system"},
        {"protocol 2", BYTES("\x80\2cposix\nsystem\nq\0X\2\0\0\0idq\1\x85q\2Rq\3."), "posix.system"},
        {"protocol 4, names on the stack",
         BYTES(
             "\x80\4\x95\x1d\0\0\0\0\0\0\0\x8c\5posix\x94\x8c\6system\x94\x93\x94\x8c\2id\x94\x85\x94R\x94."),
         "posix.system"},
        {"names built from the memo",
         BYTES("\x80\4\x8c\2os\x94\x8c\6system\x94"
               "00h\0h\1\x93."),
         "os.system"},
        {"INST", BYTES("(S'id'\nios\nsystem\n."), "os.system"},
        {"OBJ", BYTES("(cos\nsystem\nS'id'\no."), "os.system"},
        {"NEWOBJ", BYTES("\x80\2csubprocess\nPopen\nX\2\0\0\0id\x85\x81."), "subprocess.Popen"},
        {"BUILD on a class", BYTES("\x80\2cbuiltins\neval\n}b."), "builtins.eval"},
        {"Python 2's builtins", BYTES("\x80\2c__builtin__\nexec\n."), "__builtin__.exec"},
        {"attributes of attributes", BYTES("\x80\4\x8c\5torch\x8c\24FloatStorage.__new__\x93."),
         "torch.FloatStorage.__new__"},
        {"a longer name", BYTES("\x80\2ctorch\nFloatStorage2\n."), "torch.FloatStorage2"},
        {"a shorter name", BYTES("\x80\2ctorch\nFloatStorag\n."), "torch.FloatStorag"},
        {"a zero byte", BYTES("\x80\2ctorch\nFloatStorage\0\n."), "torch.FloatStorage?"},
        {"terminal codes", BYTES("\x80\2cos\x1b[2J\nsystem\n."), "os?[2J.system"},
        {"in a list never used", BYTES("\x80\2](K\1cnt\nsystem\ne0N."), "nt.system"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ito_error err = {0};
        char quoted[64];
        snprintf(quoted, sizeof quoted, "\"%s\"", cases[i].name);
        assert_int_equal(parse(cases[i].data, cases[i].n, &err), ITO_E_UNSUPPORTED);
        if (!strstr(err.message, quoted)) fail_msg("%s: %s", cases[i].what, err.message);
        assert_null(strchr(err.message, '\n'));
    }
    print_message("  %zu pickles\n", sizeof cases / sizeof cases[0]);
}

static void opcodes_that_make_objects_are_refused(void **state) {
    (void)state;
    ito_error err = {0};
    assert_int_equal(parse(BYTES("(icollections\nOrderedDict\n."), &err), ITO_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "opcode 0x69"));
    assert_int_equal(parse(BYTES("\x82\1."), &err), ITO_E_UNSUPPORTED);       /* EXT1: a name by a number */
    assert_int_equal(parse(BYTES("\x80\4)}\x92."), &err), ITO_E_UNSUPPORTED); /* NEWOBJ_EX */
    assert_int_equal(parse(BYTES("Pid\n."), &err), ITO_E_UNSUPPORTED);        /* PERSID */
    assert_int_equal(parse(BYTES("\x80\6N."), &err), ITO_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "protocol 6"));
}

static void values_of_every_protocol_read(void **state) {
    (void)state;
    static const struct {
        const char *data;
        size_t n;
        ito__pickle_kind kind;
        int64_t integer;
    } cases[] = {
        {BYTES("I42\n."), ITO__PICKLE_INT, 42},
        {BYTES("L-42L\n."), ITO__PICKLE_INT, -42},
        {BYTES("K\x2a."), ITO__PICKLE_INT, 42},
        {BYTES("M\x2a\1."), ITO__PICKLE_INT, 298},
        {BYTES("J\xff\xff\xff\xff."), ITO__PICKLE_INT, -1},
        {BYTES("\x8a\0."), ITO__PICKLE_INT, 0},
        {BYTES("\x8a\2\0\xff."), ITO__PICKLE_INT, -256},
        {BYTES("\x8b\5\0\0\0\0\0\0\0\1."), ITO__PICKLE_INT, 1ll << 32},
        {BYTES("\x88."), ITO__PICKLE_BOOL, 1},
        {BYTES("F2.5\n."), ITO__PICKLE_FLOAT, 0},
        {BYTES("(K\1K\2l."), ITO__PICKLE_LIST, 0},
        {BYTES("(K\1K\2d."), ITO__PICKLE_DICT, 0},
        {BYTES("]p0\ng0\n0."), ITO__PICKLE_LIST, 0},
        {BYTES("(K\1K\2"
               "1N."),
         ITO__PICKLE_NONE, 0},
        {BYTES("K\1"
               "2\x86."),
         ITO__PICKLE_TUPLE, 0},
        {BYTES("\x80\5\x8e\2\0\0\0\0\0\0\0ab."), ITO__PICKLE_STRING, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ito__pickle *p = NULL;
        ito_error err = {0};
        size_t used = 0;
        if (ito__pickle_parse("file", (const unsigned char *)cases[i].data, cases[i].n, allowed, &p, &used,
                              &err) != ITO_OK)
            fail_msg("case %zu: %s", i, err.message);
        assert_int_equal(ito__pickle_root(p)->kind, cases[i].kind);
        assert_int_equal(ito__pickle_root(p)->integer, cases[i].integer);
        assert_int_equal(used, cases[i].n);
        ito__pickle_free(p);
    }
}

static void damage_is_named(void **state) {
    (void)state;
    static const struct {
        const char *data;
        size_t n;
    } cases[] = {
        {BYTES("")},
        {BYTES(".")},
        {BYTES("(.")},
        {BYTES("R.")},
        {BYTES("NNR.")},
        {BYTES("t.")},
        {BYTES("Na.")},
        {BYTES("](K\1u.")},
        {BYTES("}(K\1u.")},
        {BYTES("(K\1d.")},
        {BYTES("h\0.")},
        {BYTES("Nq\xff.")},
        {BYTES("Ip\n.")},
        {BYTES("p0\n.")},
        {BYTES("Np-1\n.")},
        {BYTES("X\xff\xff\xff\xffz.")},
        {BYTES("\x8d\xff\xff\xff\xff\xff\xff\xff\xffz.")},
        {BYTES("cos\n")},
        {BYTES("NN\x93.")},
        {BYTES("Nb.")},
        {BYTES("(q\0.")},
        {BYTES("(2.")},
        {BYTES("\x86.")},
        {BYTES("N")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ito_error err = {0};
        if (parse(cases[i].data, cases[i].n, &err) != ITO_E_FORMAT)
            fail_msg("case %zu is read: %s", i, err.message);
        assert_non_null(strstr(err.message, "file: its pickle is damaged at byte"));
    }
}

/* A million marks or lists deep, a cycle: the machine has no recursion to exhaust. */
static void depth_costs_nothing(void **state) {
    (void)state;
    enum { DEEP = 1000000 };
    ito_error err = {0};
    unsigned char *data = malloc(2 * DEEP + 1);
    memset(data, ')', DEEP);
    for (int i = 0; i < DEEP; i++) data[DEEP + i] = 0x86; /* TUPLE2 */
    data[2 * DEEP - 1] = '.';
    assert_int_equal(parse(data, 2 * DEEP, &err), ITO_OK);
    memset(data, '(', DEEP);
    assert_int_equal(parse(data, DEEP, &err), ITO_E_FORMAT);
    assert_int_equal(parse(BYTES("]q\0h\0a."), &err), ITO_OK); /* a list that holds itself */
    free(data);
}

static void memory_is_bounded(void **state) {
    (void)state;
    enum { MANY = 8 << 20 };
    ito_error err = {0};
    unsigned char *data = malloc(MANY);
    memset(data, '}', MANY); /* each byte asks for a dictionary */
    assert_int_equal(parse(data, MANY, &err), ITO_E_UNSUPPORTED);
    print_message("  %s\n", err.message);
    assert_non_null(strstr(err.message, "256 MB"));
    free(data);
}

/* Runs of opcodes in any order, with a checksum that fits: only the pickle machine stands in their way. */
static void any_opcodes_are_survived(void **state) {
    (void)state;
    static const char opcodes[] = "((NN)]}KMJGXqqhhtaesuRbQ.c\x85\x86\x87\x88\x8a";
    const char *const globals[] = {"a.b", NULL};
    uint64_t random = 1;
    int parsed = 0;
    for (int run = 0; run < 200000; run++) {
        unsigned char data[64];
        size_t n = 0;
        while (n < sizeof data - 8) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            data[n++] = (unsigned char)opcodes[(random >> 33) % (sizeof opcodes - 1)];
            if (data[n - 1] == 'q' || data[n - 1] == 'h' || data[n - 1] == 'K')
                data[n++] = (random >> 60) & 7;
            if (data[n - 1] == 'c') memcpy(data + n, "a\nb\n", 4), n += 4;
            if (data[n - 1] == 'X') memcpy(data + n, "\1\0\0\0z", 5), n += 5;
        }
        ito__pickle *p = NULL;
        parsed += ito__pickle_parse("random", data, n, globals, &p, NULL, NULL) == ITO_OK;
        ito__pickle_free(p);
    }
    print_message("  %d of 200000 random pickles are valid\n", parsed);
    assert_true(parsed > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malicious_pickles_are_refused_by_name),
        cmocka_unit_test(opcodes_that_make_objects_are_refused),
        cmocka_unit_test(values_of_every_protocol_read),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(depth_costs_nothing),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(any_opcodes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
