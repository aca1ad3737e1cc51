-- The codec's cases as data: what JSON it must read (y_), must refuse (n_), and
-- how it decides where RFC 8259 leaves the choice to the reader (i_), with the reason.
--
-- Fields: name; text; accepted; why; `encoded`, the text that an accepted value
-- is written as again (sorted keys, exact numbers); `kind`, math.type of a
-- number at the top; `message`, what a refusal says; `at`, the offset it names.
local cases = {}

local function case(fields)
  cases[#cases + 1] = fields
end

local function yes(name, text, encoded, why, kind)
  case { name = "y_" .. name, text = text, accepted = true, encoded = encoded, why = why,
         kind = kind }
end

local function no(name, text, at, message, why)
  case { name = "n_" .. name, text = text, accepted = false, at = at, message = message, why = why }
end

local function choice_yes(name, text, encoded, why, kind)
  case { name = "i_" .. name, text = text, accepted = true, encoded = encoded, why = why,
         kind = kind }
end

local function choice_no(name, text, at, message, why)
  case { name = "i_" .. name, text = text, accepted = false, at = at, message = message, why = why }
end

-- Structure ---------------------------------------------------------------

yes("array_empty", "[]", "[]", "an empty array stays an array")
yes("array_empty_spaced", "[ \n ]", "[]", "white space inside an empty array")
yes("array_empty_nested", "[[],[[]],{}]", "[[],[[]],{}]",
  "each kind of empty container keeps its kind")
yes("array_of_one", "[null]", "[null]", "null is an element")
yes("array_ends_in_null", "[1,null]", "[1,null]", "null at the end is not lost")
yes("array_of_nulls", "[null,null,null]", "[null,null,null]", "null does not make a hole")
yes("array_mixed", '["a",1,true,false,null,{},[]]', '["a",1,true,false,null,{},[]]', "all kinds")
yes("array_spaced", " [ 1 , 2 ] ", "[1,2]", "white space around every token")
yes("array_all_spaces", "[\t1\r\n,\n2\t]", "[1,2]", "the four kinds of white space")
yes("array_of_arrays", "[[1,2],[3],[]]", "[[1,2],[3],[]]", "nesting")
yes("array_long", "[" .. ("0,"):rep(999) .. "0]", "[" .. ("0,"):rep(999) .. "0]",
  "a thousand elements")
yes("object_empty", "{}", "{}", "an empty object stays an object")
yes("object_empty_spaced", "{ \t }", "{}", "white space inside an empty object")
yes("object_one", '{"a":1}', '{"a":1}', "one member")
yes("object_sorted", '{"b":1,"a":2,"ab":3,"":4}', '{"":4,"a":2,"ab":3,"b":1}',
  "written in byte order of keys")
yes("object_spaced", ' { "a" : 1 , "b" : 2 } ', '{"a":1,"b":2}', "white space around every token")
yes("object_empty_key", '{"":0}', '{"":0}', "a key may be empty")
yes("object_escaped_key", '{"a\\u0000b":1,"\\n":2}', '{"\\n":2,"a\\u0000b":1}', "escapes in keys")
yes("object_digit_keys", '{"1":true,"2":false}', '{"1":true,"2":false}',
  "keys of digits stay strings, the table an object")
yes("object_dotted_key", '{"flush.size":"5000"}', '{"flush.size":"5000"}', "a Kafka key")
yes("object_null_member", '{"error":null}', '{"error":null}', "a null member is kept")
yes("object_empty_array_member", '{"tasks":[],"config":{}}', '{"config":{},"tasks":[]}',
  "a reply without tasks")
yes("object_deep_number", '{"a":{"b":{"c":[{"d":12345678901234567}]}}}',
  '{"a":{"b":{"c":[{"d":12345678901234567}]}}}', "a long integer far inside")
yes("object_number_beside_text", '{"a":{"x":"1"},"b":1,"c":{"y":"2"}}',
  '{"a":{"x":"1"},"b":1,"c":{"y":"2"}}', "containers with and without numbers side by side")
yes("object_number_deeper_later", '[{"a":"x"},[[1]],{"b":["y",[2]]}]',
  '[{"a":"x"},[[1]],{"b":["y",[2]]}]', "numbers at different depths")
yes("depth_128", ("["):rep(128) .. ("]"):rep(128), ("["):rep(128) .. ("]"):rep(128),
  "the deepest that is allowed")
yes("depth_128_objects", ('{"a":'):rep(127) .. "{}" .. ("}"):rep(127),
  ('{"a":'):rep(127) .. "{}" .. ("}"):rep(127), "the deepest objects")
yes("depth_128_number", ("["):rep(128) .. "12345678901234567" .. ("]"):rep(128),
  ("["):rep(128) .. "12345678901234567" .. ("]"):rep(128), "a long integer at the bottom")
yes("many_siblings", ("[" .. ("[],"):rep(300) .. "[]]"), ("[" .. ("[],"):rep(300) .. "[]]"),
  "depth counts nesting, not containers")
yes("top_true", "true", "true", "any value may be at the top")
yes("top_false", "false", "false", "any value may be at the top")
yes("top_null", "null", "null", "any value may be at the top")
yes("top_string", '"OK"', '"OK"', "the answer of a restart on Upstash")
yes("top_string_empty", '""', '""', "an empty string")
yes("top_spaced", " \t\r\n1 \t\r\n", "1", "white space around the text", "integer")

no("empty", "", 0, "ends too early", "no value")
no("only_space", " \n", 2, "ends too early", "no value")
no("only_nul", "\0", 0, "expected a value", "a NUL is no white space")
no("nul_after_value", "1\0", 1, "after the value", "a NUL is no white space")
no("nul_second", "[\0]", 1, "expected a value", "what cjson takes for UTF-16")
no("utf16", "[\0]\0", 1, "expected a value", "UTF-16 is not UTF-8")
no("two_values", "1 2", 2, "after the value", "one text holds one value")
no("two_objects", "{}{}", 2, "after the value", "one text holds one value")
no("garbage_after", "[]x", 2, "after the value", "one text holds one value")
no("bracket_after", "[]]", 2, "after the value", "a bracket too many")
no("comma_after", "[],", 2, "after the value", "a comma too many")
no("comment_block", "/* */1", 0, "expected a value", "JSON has no comments")
no("comment_line", "1 // one", 2, "after the value", "JSON has no comments")
no("comment_hash", "# x\n1", 0, "expected a value", "JSON has no comments")
no("form_feed", "\f1", 0, "expected a value", "a form feed is no white space")
no("vertical_tab", "[\v1]", 1, "expected a value", "a vertical tab is no white space")
no("no_break_space", "[\u{A0}1]", 1, "expected a value", "Unicode's spaces are no white space")
no("word_joiner", "[\u{2060}]", 1, "expected a value", "nor are its invisible characters")
no("byte_order_mark", "\u{FEFF}{}", 0, "byte order mark",
  "RFC 8259 section 8.1: not to be sent; refused by name")
no("byte_order_mark_only", "\u{FEFF}", 0, "byte order mark", "and no value")
no("html", "<html>not JSON</html>", 0, "expected a value", "a proxy's error page")
no("backtick", "`1`", 0, "expected a value", "no JSON token")
no("mark_byte", "\xFF", 0, "expected a value", "the byte that the codec itself marks values with")
no("mark_string", '"\xFF[x"', 0, "not UTF-8", "a mark cannot be smuggled in")
no("mark_empty_array", '["\xFF["]', 1, "not UTF-8", "a mark cannot be smuggled in")
no("mark_number", '["\xFF12"]', 1, "not UTF-8", "a mark cannot be smuggled in")
no("mark_key", '{"\xFF[":1}', 1, "not UTF-8", "nor as a key")

no("array_unclosed", "[1", 2, "ends too early", "no closing bracket")
no("array_unclosed_empty", "[", 1, "ends too early", "no closing bracket")
no("array_unclosed_comma", "[1,", 3, "ends too early", "no closing bracket")
no("array_trailing_comma", "[1,]", 3, "expected a value", "a comma without value")
no("array_leading_comma", "[,1]", 1, "expected a value", "a comma without value")
no("array_double_comma", "[1,,2]", 3, "expected a value", "a comma without value")
no("array_only_comma", "[,]", 1, "expected a value", "a comma without value")
no("array_missing_comma", "[1 2]", 3, "expected ',' or ']'", "no comma")
no("array_missing_comma_string", '["a""b"]', 4, "expected ',' or ']'", "no comma")
no("array_colon", "[1:2]", 2, "expected ',' or ']'", "a colon in an array")
no("array_semicolon", "[1;2]", 2, "expected ',' or ']'", "no comma")
no("array_closed_by_brace", "[1}", 2, "expected ',' or ']'", "the wrong bracket")
no("array_empty_closed_by_brace", "[}", 1, "expected a value", "the wrong bracket")
no("array_closed_only", "]", 0, "expected a value", "no opening bracket")
no("object_unclosed", '{"a":1', 6, "ends too early", "no closing brace")
no("object_unclosed_empty", "{", 1, "ends too early", "no closing brace")
no("object_unclosed_key", '{"a"', 4, "ends too early", "no colon")
no("object_unclosed_colon", '{"a":', 5, "ends too early", "no value")
no("object_trailing_comma", '{"a":1,}', 7, "expected a key", "a comma without member")
no("object_leading_comma", '{,"a":1}', 1, "expected a key", "a comma without member")
no("object_double_comma", '{"a":1,,"b":2}', 7, "expected a key", "a comma without member")
no("object_missing_colon", '{"a" 1}', 5, "expected ':'", "no colon")
no("object_double_colon", '{"a"::1}', 5, "expected a value", "two colons")
no("object_equals", '{"a"=1}', 4, "expected ':'", "Lua's spelling")
no("object_missing_value", '{"a":}', 5, "expected a value", "no value")
no("object_missing_comma", '{"a":1 "b":2}', 7, "expected ',' or '}'", "no comma")
no("object_key_number", "{1:2}", 1, "expected a key", "a key is a string")
no("object_key_word", "{null:1}", 1, "expected a key", "a key is a string")
no("object_key_bare", "{a:1}", 1, "expected a key", "a key is a string")
no("object_key_single_quotes", "{'a':1}", 1, "expected a key", "a key is a string")
no("object_key_array", "{[]:1}", 1, "expected a key", "a key is a string")
no("object_only_key", '{"a"}', 4, "expected ':'", "no value")
no("object_closed_by_bracket", '{"a":1]', 6, "expected ',' or '}'", "the wrong bracket")
no("object_closed_only", "}", 0, "expected a value", "no opening brace")
no("depth_129", ("["):rep(129) .. ("]"):rep(129), 128, "deeper than 128",
  "one deeper than is allowed")
no("depth_129_objects", ('{"a":'):rep(128) .. "{}" .. ("}"):rep(128), 640, "deeper than 128",
  "one deeper than is allowed")
no("depth_100000", ("["):rep(100000), 128, "deeper than 128", "refused before any stack matters")
no("depth_100000_objects", ('{"a":'):rep(100000), 640, "deeper than 128",
  "refused before any stack matters")
no("depth_mixed", ('[{"a":'):rep(65), 384, "deeper than 128", "both kinds of container count")

-- Words -------------------------------------------------------------------

no("word_short", "[tru]", 1, "unknown word", "not a word of JSON")
no("word_long", "[truex]", 5, "expected ',' or ']'", "nothing may follow a word")
no("word_null_long", "nullx", 4, "after the value", "nothing may follow a word")
no("word_upper", "[True]", 1, "expected a value", "words are lower case")
no("word_upper_inside", "[nUll]", 1, "unknown word", "words are lower case")
no("word_cut", "fals", 0, "unknown word", "the text ends inside a word")
no("word_nil", "nil", 0, "unknown word", "Lua's word")
no("word_undefined", "undefined", 0, "expected a value", "JavaScript's word")
no("word_nan", "NaN", 0, "expected a value", "cjson reads it as a number")
no("word_nan_lower", "[nan]", 1, "unknown word", "cjson reads it as a number")
no("word_infinity", "Infinity", 0, "expected a value", "cjson reads it as a number")
no("word_inf", "[inf]", 1, "expected a value", "cjson reads it as a number")
no("word_minus_infinity", "-Infinity", 1, "expected a digit", "cjson reads it as a number")
no("word_minus_inf", "[-inf]", 2, "expected a digit", "cjson reads it as a number")
no("word_minus_nan", "-nan", 1, "expected a digit", "cjson reads it as a number")

-- Numbers -----------------------------------------------------------------

yes("number_zero", "0", "0", "zero is an integer", "integer")
yes("number_one", "1", "1", "an integer", "integer")
yes("number_negative", "-1", "-1", "an integer", "integer")
yes("number_15_digits", "999999999999999", "999999999999999",
  "the longest that cjson reads exactly", "integer")
yes("number_16_digits", "1712907333000000", "1712907333000000",
  "microseconds since 1970, as Debezium has them", "integer")
yes("number_16_digits_negative", "-1712907333000000", "-1712907333000000", "16 digits and a sign",
  "integer")
yes("number_2_53", "9007199254740992", "9007199254740992",
  "the last integer before the gaps of doubles", "integer")
yes("number_2_53_plus_1", "9007199254740993", "9007199254740993",
  "the first integer that a double cannot hold", "integer")
yes("number_17_digits", "12345678901234567", "12345678901234567", "no double holds it", "integer")
yes("number_max", "9223372036854775807", "9223372036854775807", "2^63 - 1", "integer")
yes("number_min", "-9223372036854775808", "-9223372036854775808", "-2^63", "integer")
yes("number_fraction", "0.5", "0.5", "a float", "float")
yes("number_fraction_negative", "-0.5", "-0.5", "a float", "float")
yes("number_tenth", "0.1", "0.1", "14 digits read back the same", "float")
yes("number_17_digit_float", "0.30000000000000004", "0.30000000000000004", "17 digits are needed",
  "float")
yes("number_pi", "3.141592653589793", "3.1415926535897931",
  "17 digits are written when 14 do not do", "float")
yes("number_integral_fraction", "1.0", "1", "an integral number is an integer", "integer")
yes("number_integral_fraction_long", "1.000000000000000000000000", "1", "however it is spelt",
  "integer")
yes("number_integral_exponent", "1e3", "1000", "an integral number is an integer", "integer")
yes("number_integral_upper_exponent", "1E3", "1000", "either case of e", "integer")
yes("number_exponent_plus", "1e+3", "1000", "a signed exponent", "integer")
yes("number_exponent_zero", "5e0", "5", "an exponent of zero", "integer")
yes("number_exponent_leading_zeros", "1e0003", "1000", "leading zeros are allowed in an exponent",
  "integer")
yes("number_exponent_minus", "1e-2", "0.01", "a negative exponent", "float")
yes("number_exponent_minus_integral", "1500e-2", "15", "a negative exponent and an integral value",
  "integer")
yes("number_fraction_exponent", "1.5e1", "15", "fraction and exponent", "integer")
yes("number_fraction_exponent_float", "1.25e1", "12.5", "fraction and exponent", "float")
yes("number_fraction_micros", "1.712907333E15", "1712907333000000",
  "Java's spelling of microseconds", "integer")
yes("number_exact_exponent", "123456789012345e4", "1234567890123450000",
  "exact, where a double is off by 16", "integer")
yes("number_exact_fraction", "12345678901234567.0", "12345678901234567",
  "exact, where a double is off by one", "integer")
yes("number_1e18", "1e18", "1000000000000000000", "fits in 64 bits", "integer")
yes("number_max_exponent", "9.223372036854775807e18", "9223372036854775807",
  "2^63 - 1 in scientific form", "integer")
yes("number_min_exponent", "-9.223372036854775808e18", "-9223372036854775808",
  "-2^63 in scientific form", "integer")
yes("number_2_63_float", "9.223372036854775808e18", "9.223372036854775808e+18",
  "2^63 as a float, written so that it reads back", "float")
yes("number_1e19", "1e19", "1e+19", "integral but beyond 64 bits, spelt as a float: a float",
  "float")
yes("number_minus_1e19", "-1e19", "-1e+19", "the same below zero", "float")
yes("number_1e300", "1e300", "1e+300", "a large float", "float")
yes("number_largest", "1.7976931348623157e308", "1.7976931348623157e+308", "the largest double",
  "float")
yes("number_smallest", "5e-324", "4.9406564584125e-324", "the smallest double", "float")
yes("number_zero_exponent", "0e99", "0", "zero however large the exponent", "integer")
yes("number_zero_fraction", "0.000", "0", "zero", "integer")
yes("number_large_fraction", "4503599627370495.5", "4503599627370495.5",
  "a half beside a large integer", "float")
yes("number_zeros_and_exponent", "0." .. ("0"):rep(300) .. "1e301", "1",
  "301 places and their exponent cancel out", "integer")
yes("number_many_zeros", "1" .. ("0"):rep(18), "1000000000000000000", "19 digits that fit",
  "integer")
yes("number_long_fraction", "0." .. ("3"):rep(1000), "0.33333333333333331",
  "a thousand digits of a float", "float")
yes("number_in_array", "[1,-2,3.5,12345678901234567]", "[1,-2,3.5,12345678901234567]",
  "all kinds of number")
yes("number_before_bracket", "[12345678901234567]", "[12345678901234567]", "no space after it")
yes("number_digits_in_string", '["12345678901234567","1e999","[]"]',
  '["12345678901234567","1e999","[]"]', "in a string they are text")

no("number_leading_zero", "[01]", 1, "leading zeros", "cjson reads it")
no("number_leading_zero_negative", "-01", 0, "leading zeros", "cjson reads it")
no("number_double_zero", "00", 0, "leading zeros", "cjson reads it")
no("number_leading_zero_fraction", "00.5", 0, "leading zeros", "cjson reads it")
no("number_plus", "[+1]", 1, "expected a value", "cjson reads it")
no("number_hexadecimal", "[0x10]", 2, "expected ',' or ']'", "cjson reads it as 16")
no("number_hexadecimal_negative", "-0x1p4", 2, "after the value", "cjson reads it")
no("number_dot_end", "[1.]", 3, "expected a digit", "cjson reads it")
no("number_dot_end_text", "1.", 2, "ends too early", "no digit after the point")
no("number_dot_start", "[.5]", 1, "expected a value", "no digit before the point")
no("number_dot_start_negative", "-.5", 1, "expected a digit", "no digit before the point")
no("number_dot_exponent", "[1.e3]", 3, "expected a digit", "no digit after the point")
no("number_two_dots", "1.2.3", 3, "after the value", "a version is no number")
no("number_comma", "1,5", 1, "after the value", "a decimal comma")
no("number_underscore", "[1_000]", 2, "expected ',' or ']'", "no digit separators")
no("number_space", "[1 000]", 3, "expected ',' or ']'", "no digit separators")
no("number_minus_only", "-", 1, "ends too early", "no digit")
no("number_minus_in_array", "[-]", 2, "expected a digit", "no digit")
no("number_two_minus", "--1", 1, "expected a digit", "one sign")
no("number_minus_space", "- 1", 1, "expected a digit", "no space after the sign")
no("number_exponent_empty", "[1e]", 3, "expected a digit", "no digit in the exponent")
no("number_exponent_end", "1e", 2, "ends too early", "no digit in the exponent")
no("number_exponent_sign_only", "[1e+]", 4, "expected a digit", "no digit in the exponent")
no("number_exponent_sign_end", "1e-", 3, "ends too early", "no digit in the exponent")
no("number_exponent_two_signs", "1e+-1", 3, "expected a digit", "one sign")
no("number_exponent_fraction", "1e1.5", 3, "after the value", "an exponent is integral")
no("number_exponent_only", "[e3]", 1, "expected a value", "no digits")
no("number_suffix", "[10L]", 3, "expected ',' or ']'", "C's spelling")
no("number_full_width", "[\u{FF11}]", 1, "expected a value", "only ASCII digits")

choice_yes("number_minus_zero", "-0", "0", "the sign of zero is lost: a Lua integer has none",
  "integer")
choice_yes("number_minus_zero_float", "-0.0", "0", "the same: an integral number is an integer",
  "integer")
choice_yes("number_underflow", "1e-400", "0", "smaller than any double: zero, as strtod rounds",
  "float")
choice_yes("number_rounded", "0.1000000000000000055511151231257827", "0.1",
  "a float is rounded to the nearest double", "float")
choice_yes("number_rounded_to_one", "0.99999999999999999999", "1",
  "rounded to 1.0, but never to an integer", "float")
choice_yes("number_rounded_large", "9007199254740993.5", "9007199254740994",
  "rounded as a float, and known as one", "float")
choice_no("number_overflow", "[1e999]", 1, "beyond the range",
  "cjson makes an infinity of it, which no JSON can hold")
choice_no("number_overflow_negative", "-1e999", 0, "beyond the range", "the same below zero")
choice_no("number_overflow_edge", "1.7976931348623159e308", 0, "beyond the range",
  "rounds to an infinity")
choice_no("number_overflow_digits", ("9"):rep(400) .. ".5", 0, "beyond the range",
  "too large without any exponent")
choice_no("number_huge_exponent", "1e99999999999999999999", 0, "beyond the range",
  "an exponent that no integer type holds")
choice_yes("number_huge_negative_exponent", "1e-99999999999999999999", "0",
  "the same below zero: zero", "float")
choice_no("integer_max_plus_1", "9223372036854775808", 0,
  "integer 9223372036854775808 does not fit", "never rounded")
choice_no("integer_min_minus_1", "[-9223372036854775809]", 1,
  "integer -9223372036854775809 does not fit", "never rounded")
choice_no("integer_20_digits", '{"offset":18446744073709551616}', 10,
  "integer 18446744073709551616 does not fit", "2^64 is named, not wrapped")
choice_no("integer_100_digits", ("7"):rep(100), 0,
  "integer " .. ("7"):rep(40) .. "... does not fit", "the digits are cut")

-- Strings -----------------------------------------------------------------

yes("string_escapes", '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\\"\\\\/\\b\\f\\n\\r\\t"',
  "all short escapes; '/' needs none")
yes("string_slash", '"a/b"', '"a/b"', "a slash as it is")
yes("string_unicode", '"\\u0041\\u00e9\\u20AC"', '"A\u{E9}\u{20AC}"',
  "escapes of one, two and three bytes")
yes("string_pair", '"\\ud83d\\ude00"', '"\u{1F600}"', "a surrogate pair is one character")
yes("string_pair_upper", '"\\uD83D\\uDE00"', '"\u{1F600}"', "either case of hexadecimal digits")
yes("string_pair_last", '"\\udbff\\udfff"', '"\u{10FFFF}"', "the last character")
yes("string_two_pairs", '"\\ud83d\\ude00\\ud83d\\ude00"', '"\u{1F600}\u{1F600}"',
  "pairs beside each other")
yes("string_nul_escape", '"a\\u0000b"', '"a\\u0000b"', "a NUL inside a string")
yes("string_control_escapes", '"\\u0001\\u001f"', '"\\u0001\\u001f"',
  "control characters stay escaped")
yes("string_delete", '"\x7F"', '"\x7F"', "RFC 8259 allows U+007F as it is")
yes("string_utf8", '"\u{E9}\u{20AC}\u{1F600}"', '"\u{E9}\u{20AC}\u{1F600}"', "UTF-8 as it is")
yes("string_utf8_long", '"' .. ("\u{4E2D}"):rep(100) .. '"', '"' .. ("\u{4E2D}"):rep(100) .. '"',
  "many bytes beyond ASCII")
yes("string_utf8_edges", '"\u{80}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFF}\u{10000}\u{10FFFF}"',
  '"\\u0080\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FFFF}\u{10000}\u{10FFFF}"',
  "the first and last of each length; a C1 control is written by its number")
yes("string_noncharacter", '"\u{FFFE}\\uffff"', '"\u{FFFE}\u{FFFF}"',
  "noncharacters are characters to JSON")
yes("string_line_separator", '"\u{2028}\u{2029}"', '"\\u2028\\u2029"', "JavaScript's old trap")
yes("string_mark_inside", '"\u{FEFF}"', '"\\ufeff"',
  "a byte order mark inside a string is a character")
yes("string_brackets", '"[]{},:"', '"[]{},:"', "punctuation in a string is text")
yes("string_comment", '"/* */ // #"', '"/* */ // #"', "comments in a string are text")
yes("string_escaped_quote_end", '["\\\\"]', '["\\\\"]', "an escaped backslash before the quote")
yes("string_8_bytes", '"12345678"', '"12345678"', "exactly one word of the search")
yes("string_quote_at_each_byte",
  '["","1","12","123","1234","12345","123456","1234567","12345678","123456789"]',
  '["","1","12","123","1234","12345","123456","1234567","12345678","123456789"]',
  "the end at each place of a word")
yes("string_escape_at_each_byte",
  '["\\n","1\\n","12\\n","123\\n","1234\\n","12345\\n","123456\\n","1234567\\n"]',
  '["\\n","1\\n","12\\n","123\\n","1234\\n","12345\\n","123456\\n","1234567\\n"]',
  "an escape at each place of a word")
yes("string_long", '"' .. ("x"):rep(100000) .. '"', '"' .. ("x"):rep(100000) .. '"',
  "a long string")
yes("string_y_ff", '"\\u00ff["', '"\u{FF}["', "the character U+00FF is not the byte 0xFF")

no("string_unclosed", '"abc', 0, "string without end", "no closing quote")
no("string_unclosed_empty", '["', 1, "string without end", "no closing quote")
no("string_unclosed_escape", '"abc\\', 5, "ends too early", "the text ends inside an escape")
no("string_unclosed_escaped_quote", '"abc\\"', 0, "string without end", "the quote is escaped")
no("string_single_quotes", "['a']", 1, "expected a value", "strings have double quotes")
no("string_tab", '"a\tb"', 2, "control character", "cjson reads it")
no("string_newline", '"a\nb"', 2, "control character", "cjson reads it")
no("string_carriage_return", '"\r"', 1, "control character", "cjson reads it")
no("string_escape_byte", '["\x1B[31m"]', 2, "control character", "a terminal's control sequence")
no("string_unit_separator", '"1234567\x1F"', 8, "control character", "the last control character")
no("string_nul", '"a\0b"', 2, "control character", "a NUL as it is")
no("string_control_in_key", '{"a\nb":1}', 3, "control character", "keys are strings")
no("string_escape_x", '"\\x41"', 1, "unknown escape", "C's escape")
no("string_escape_single_quote", "\"\\'\"", 1, "unknown escape", "JavaScript's escape")
no("string_escape_a", '"\\a"', 1, "unknown escape", "C's escape")
no("string_escape_zero", '"\\0"', 1, "unknown escape", "C's escape")
no("string_escape_nul", '"\\\0"', 1, "unknown escape", "a NUL after the backslash")
no("string_escape_upper_u", '"\\U0041"', 1, "unknown escape", "Python's escape")
no("string_escape_newline", '"a\\\nb"', 2, "unknown escape", "Lua's line continuation")
no("string_escape_utf8", '"\\\u{E9}"', 1, "unknown escape", "no escape")
no("string_unicode_short", '"\\u041"', 6, "expected a hexadecimal digit", "four digits")
no("string_unicode_letter", '"\\u00g0"', 5, "expected a hexadecimal digit", "hexadecimal digits")
no("string_unicode_empty", '"\\u"', 3, "expected a hexadecimal digit", "four digits")
no("string_unicode_braces", '"\\u{41}"', 3, "expected a hexadecimal digit", "Lua's escape")
no("string_unicode_sign", '"\\u+041"', 3, "expected a hexadecimal digit", "digits, no sign")
no("string_unicode_cut", '"\\u00', 5, "ends too early", "the text ends inside an escape")
no("string_bad_utf8", '"\xE9"', 0, "not UTF-8", "Latin-1; cjson reads it")
no("string_bad_utf8_cut", '"\xE2\x82"', 0, "not UTF-8", "a character without its end")
no("string_bad_utf8_lone", '"\x80"', 0, "not UTF-8", "a character without its start")
no("string_bad_utf8_overlong", '"\xC0\xAF"', 0, "not UTF-8", "an overlong slash")
no("string_bad_utf8_overlong_3", '"\xE0\x80\xAF"', 0, "not UTF-8",
  "an overlong slash in three bytes")
no("string_bad_utf8_overlong_nul", '"\xC0\x80"', 0, "not UTF-8", "Java's NUL")
no("string_bad_utf8_surrogate", '"\xED\xA0\x80"', 0, "not UTF-8", "half a surrogate pair in UTF-8")
no("string_bad_utf8_range", '"\xF4\x90\x80\x80"', 0, "not UTF-8", "beyond U+10FFFF")
no("string_bad_utf8_five", '"\xF8\x88\x80\x80\x80"', 0, "not UTF-8", "five bytes")
no("string_bad_utf8_fe", '"\xFE"', 0, "not UTF-8", "never a byte of UTF-8")
no("string_bad_utf8_key", '{"\xE9":1}', 1, "not UTF-8", "keys are strings")
no("string_bad_utf8_before_quote", '["abc\xC3"]', 1, "not UTF-8", "the quote is no continuation")

choice_no("string_half_pair_high", '"\\ud800"', 1, "half a surrogate pair", "no UTF-8 can hold it")
choice_no("string_half_pair_low", '"a\\udc00"', 2, "half a surrogate pair", "no UTF-8 can hold it")
choice_no("string_half_pair_then_text", '"\\ud800abc"', 1, "half a surrogate pair",
  "no UTF-8 can hold it")
choice_no("string_half_pair_then_letter", '"\\ud800\\u0041"', 1, "half a surrogate pair",
  "no UTF-8 can hold it")
choice_no("string_half_pair_then_escape", '"\\ud800\\n"', 1, "half a surrogate pair",
  "no UTF-8 can hold it")
choice_no("string_pair_reversed", '"\\udc00\\ud800"', 1, "half a surrogate pair", "low before high")
choice_no("string_two_highs", '"\\ud800\\ud800"', 1, "half a surrogate pair", "high after high")
choice_no("string_half_pair_key", '{"\\udfff":0}', 2, "half a surrogate pair", "keys are strings")

local TWICE <const> = "a key stands twice in an object"
choice_no("key_repeated", '{"a":1,"a":2}', nil, TWICE, "which one was meant nobody knows")
choice_no("key_repeated_kinds", '{"a":12345678901234567,"a":"x"}', nil, TWICE, "whatever they are")
choice_no("key_repeated_null", '{"a":1,"a":null}', nil, TWICE, "null counts, too")
choice_no("key_repeated_escaped", '{"a":1,"\\u0061":[]}', nil, TWICE, "two spellings of one key")
choice_no("key_repeated_deep", '[{"a":{"b":1.5,"b":2}},{"c":3}]', nil, TWICE, "at any depth")
yes("key_in_two_objects", '[{"a":1},{"a":{"a":2}}]', '[{"a":1},{"a":{"a":2}}]',
  "the same key in other objects is no repetition")

-- What providers answer ---------------------------------------------------

yes("reply_upstash",
  [[{"connector_id":"431ec970-b59d-4b00-95fe-5f3abcc52c2f","creation_time":1684369147,
  "deletion_time":0,"state":"failed","state_error_message":"Invalid value\n","tasks":[],"topics":[],
  "properties":{"connection.uri":"connection-uri-update"},"TTL":1684370947}]],
  [[{"TTL":1684370947,"connector_id":"431ec970-b59d-4b00-95fe-5f3abcc52c2f",]]
  .. [["creation_time":1684369147,"deletion_time":0,]]
  .. [["properties":{"connection.uri":"connection-uri-update"},"state":"failed",]]
  .. [["state_error_message":"Invalid value\n","tasks":[],"topics":[]}]],
  "the shape of Upstash's reply")
yes("reply_confluent_offsets", [[{"offsets":[{"partition":{"server":"pg"},"offset":
  {"lsn":9223372036854775807,"ts_usec":1712907333000001,"snapshot":false}}]}]],
  [[{"offsets":[{"offset":{"lsn":9223372036854775807,"snapshot":false,"ts_usec":1712907333000001},]]
  .. [["partition":{"server":"pg"}}]}]], "the offsets of a Debezium connector, digit by digit")
yes("reply_connect_tasks", [[{"name":"c","connector":{"state":"RUNNING","worker_id":"w:8083"},
  "tasks":[{"id":0,"state":"FAILED","worker_id":"w:8083","trace":"x\n\tat y"}],"type":"sink"}]],
  [[{"connector":{"state":"RUNNING","worker_id":"w:8083"},"name":"c",]]
  .. [["tasks":[{"id":0,"state":"FAILED","trace":"x\n\tat y","worker_id":"w:8083"}],]]
  .. [["type":"sink"}]],
  "the status of a Connect worker")
yes("reply_error_null", '{"error":null}', '{"error":null}', "Confluent's answer without content")

return cases
