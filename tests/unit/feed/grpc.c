/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* gRPC's frames and status lines, split anywhere and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/defs.h"
#include "feed/grpc.h"

/* Reads @data in parts of @step bytes; messages are joined in @out with '|' after each. */
static int read_all(const uint8_t *data, size_t len, size_t step, uint32_t limit, char *out)
{
	struct grpc_frames frames = {};
	size_t n_out = 0;

	for (size_t at = 0; at < len; at += step) {
		const uint8_t *part = data + at;
		size_t left = MIN(step, len - at);

		for (;;) {
			size_t n;

			if (!frames.inside) {
				int code = left ? grpc_take_head(&frames, &part, &left, limit) : 0;

				if (code < 0)
					return code;
				if (!code)
					break;
			}
			n = MIN(left, (size_t)frames.left);
			if (!n && frames.left)
				break;
			memcpy(out + n_out, part, n);
			n_out += n;
			part += n;
			left -= n;
			if (grpc_take(&frames, n))
				out[n_out++] = '|';
		}
	}
	out[n_out] = '\0';
	return 0;
}

static void test_frames_are_whole_wherever_they_are_split(void **state)
{
	static const uint8_t data[] = "\0\0\0\0\3abc" "\0\0\0\0\0" "\0\0\0\0\1d" "\0\0\0\0\5fghij";

	for (size_t step = 1; step < sizeof(data); step++) {
		char out[64];

		assert_int_equal(read_all(data, sizeof(data) - 1, step, 100, out), 0);
		assert_string_equal(out, "abc||d|fghij|");
	}
}

static void test_frames_that_are_too_large_or_packed_are_refused(void **state)
{
	char out[64];

	assert_int_equal(read_all((const uint8_t *)"\0\0\0\0\5fghij", 10, 3, 5, out), 0);
	assert_int_equal(read_all((const uint8_t *)"\0\0\0\0\6fghijk", 11, 3, 5, out), -EMSGSIZE);
	assert_int_equal(read_all((const uint8_t *)"\0\xff\xff\xff\xff", 5, 5, UINT32_MAX - 1, out), -EMSGSIZE);
	assert_int_equal(read_all((const uint8_t *)"\1\0\0\0\1x", 6, 6, 5, out), -EPROTO);
}

static void test_a_head_is_what_is_read_again(void **state)
{
	struct grpc_frames frames = {};
	uint8_t head[GRPC_HEAD];
	const uint8_t *at = head;
	size_t len = GRPC_HEAD;

	grpc_write_head(head, 0x01020304);
	assert_int_equal(grpc_take_head(&frames, &at, &len, UINT32_MAX), 1);
	assert_int_equal(frames.left, 0x01020304);
}

static void test_status_lines(void **state)
{
	static const struct { const char *line, *message; int code; bool told; } rows[] = {
		{ "grpc-status: 0", "", 0, true },
		{ "Grpc-Status:16", "", 16, true },
		{ "grpc-status: x", "", 2, true },
		{ "grpc-status: ", "", 2, true },
		{ "grpc-status: 123", "", 2, true },
		{ "grpc-status-details-bin: 7", "", GRPC_NONE, false },
		{ "content-type: application/grpc", "", GRPC_NONE, false },
		{ "grpc-message: etcdserver: permission denied", "etcdserver: permission denied", GRPC_NONE,
		  false },
		{ "grpc-message: a%20b%e2%82%ac", "a b\xe2\x82\xac", GRPC_NONE, false },
		{ "grpc-message: 100%", "100%", GRPC_NONE, false },
		{ "grpc-message: %zz%4", "%zz%4", GRPC_NONE, false },
		{ "grpc-message: a%0ab%1b[31m%00", "a b [31m ", GRPC_NONE, false },
		{ "grpc-message:", "", GRPC_NONE, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct grpc_status s = { .code = GRPC_NONE };
		char line[128];
		size_t len = strlen(rows[i].line);

		/* Without the NUL: the length counts. */
		memset(line, '9', sizeof(line));
		memcpy(line, rows[i].line, len);
		assert_int_equal(grpc_read_line(&s, line, len), rows[i].told);
		assert_int_equal(s.code, rows[i].code);
		assert_string_equal(s.message, rows[i].message);
	}
}

static void test_a_long_message_is_cut(void **state)
{
	struct grpc_status s = { .code = GRPC_NONE };
	char line[2000] = "grpc-message: ";

	memset(line + 14, 'x', sizeof(line) - 14);
	grpc_read_line(&s, line, sizeof(line));
	assert_int_equal(strlen(s.message), sizeof(s.message) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames_are_whole_wherever_they_are_split),
		cmocka_unit_test(test_frames_that_are_too_large_or_packed_are_refused),
		cmocka_unit_test(test_a_head_is_what_is_read_again),
		cmocka_unit_test(test_status_lines),
		cmocka_unit_test(test_a_long_message_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
