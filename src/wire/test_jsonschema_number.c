/* Numbers as decimals: what a double would get wrong must come out right. */
#include "base/test.h"
#include "wire/jsonschema_number.h"

static int compare(const char *a, const char *b)
{
    const struct js_number left = js_number_read(bytes_of(a)), right = js_number_read(bytes_of(b));
    const int order = js_number_compare(&left, &right), back = js_number_compare(&right, &left);
    expect_eq(order, -back);
    if (order == 0)
        expect(js_number_hash(&left) == js_number_hash(&right));
    return order;
}

static bool is_multiple(const char *number, const char *divisor)
{
    const struct js_number left = js_number_read(bytes_of(number)), right = js_number_read(bytes_of(divisor));
    return js_number_is_multiple(&left, &right);
}

static bool is_whole(const char *number)
{
    const struct js_number read = js_number_read(bytes_of(number));
    return js_number_is_whole(&read);
}

TEST(the_same_number_is_equal_however_it_is_written)
{
    expect_eq(compare("1", "1.0"), 0);
    expect_eq(compare("100", "1e2"), 0);
    expect_eq(compare("0.001", "1E-3"), 0);
    expect_eq(compare("-0", "0.000e99"), 0);
    expect_eq(compare("12.50", "125e-1"), 0);
    expect_eq(compare("123456789012345678901234567890", "1.2345678901234567890123456789e29"), 0);
    expect_eq(compare("0.00000000000000000000123", "123e-23"), 0);
}

TEST(order_is_exact_where_doubles_are_not)
{
    expect_eq(compare("9007199254740993", "9007199254740992"), 1);
    expect_eq(compare("0.1", "0.10000000000000000000000000001"), -1);
    expect_eq(compare("-0.1", "-0.10000000000000000000000000001"), 1);
    expect_eq(compare("1e400", "1e399"), 1);
    expect_eq(compare("1e999999999999999999", "9e999999999999999998"), 1);
    expect_eq(compare("-1", "1"), -1);
    expect_eq(compare("0", "1e-400"), -1);
    expect_eq(compare("18446744073709551616", "18446744073709551615"), 1);
    expect_eq(compare("999999999999999999", "1e18"), -1);
    expect_eq(compare("1e19", "999999999999999999"), 1);
}

TEST(a_multiple_is_a_multiple_to_the_last_digit)
{
    expect(is_multiple("0.3", "0.1"));
    expect(is_multiple("19.99", "0.01"));
    expect(!is_multiple("19.999", "0.01"));
    expect(is_multiple("1e308", "0.5"));
    expect(!is_multiple("1e308", "0.123456789"));
    expect(is_multiple("-300", "100"));
    expect(!is_multiple("150", "100"));
    expect(is_multiple("0", "7"));
    expect(is_multiple("50", "25"));
    expect(is_multiple("246913578024691357802469135780", "2"));
    expect(!is_multiple("246913578024691357802469135781", "2"));
    expect(!is_multiple("1.0000000000000000000000001", "0.1"));
}

TEST(whole_is_what_has_no_fraction_whatever_its_form)
{
    expect(is_whole("1.0") && is_whole("1e2") && is_whole("0.0") && is_whole("1.5e1") && is_whole("-7"));
    expect(!is_whole("1.5") && !is_whole("1e-1") && !is_whole("0.1") && !is_whole("15e-1"));
}

TEST(the_quick_reading_compares_as_the_exact_one_does)
{
    static const char *const numbers[] = { "0",
                                           "-0",
                                           "7",
                                           "-7",
                                           "12.50",
                                           "12.5",
                                           "-0.001",
                                           "1000",
                                           "999999999999999999",
                                           "0.0000000000000001",
                                           "-99999999999999999",
                                           "100.00" };
    static const char *const bounds[] = { "0",    "7",   "12.5",  "1e3",   "-1e-3",
                                          "1e18", "100", "-1e17", "1e-16", "13" };
    for (size_t i = 0; i < array_count(numbers); i++)
        for (size_t k = 0; k < array_count(bounds); k++) {
            struct js_number quick, settled = js_number_read(bytes_of(bounds[k])), exact = settled;
            const struct js_number slow = js_number_read(bytes_of(numbers[i]));
            expect(js_number_read_quick(bytes_of(numbers[i]), &quick) && js_number_settle(&settled));
            expect_eq(js_number_compare(&quick, &settled), js_number_compare(&slow, &exact));
            if (exact.mantissa > 0 && quick.exponent >= exact.exponent)
                expect_eq(js_number_is_multiple(&quick, &exact), js_number_is_multiple(&slow, &exact));
        }
    struct js_number quick, large = js_number_read(BYTES("1e19"));
    expect(!js_number_read_quick(BYTES("1e5"), &quick) &&
           !js_number_read_quick(BYTES("1234567890123456789"), &quick));
    expect(!js_number_settle(&large));
}

TEST(eighteen_digits_are_small_and_nineteen_are_not)
{
    expect(js_number_read(BYTES("999999999999999999")).small);
    expect(!js_number_read(BYTES("9999999999999999999")).small);
    expect(js_number_read(BYTES("9999999999999999990000")).small);
    expect(js_number_read(BYTES("1000000000000000000000")).small);
}
