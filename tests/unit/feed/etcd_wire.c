/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What protobuf-c writes is read, split anywhere; what is cut off or broken is refused, and read nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/defs.h"
#include "feed/etcd.pb-c.h"
#include "feed/etcd_wire.h"

#define KEYS 3

static uint8_t *pack(const ProtobufCMessage *m, size_t *ret_len)
{
	uint8_t *data;

	*ret_len = protobuf_c_message_get_packed_size(m);
	/* Exactly so long: what reads behind it is seen. */
	data = malloc(*ret_len);
	assert_non_null(data);
	protobuf_c_message_pack(m, data);
	return data;
}

static void fill_kvs(Etcdpb__KeyValue kvs[KEYS], uint8_t keys[KEYS][8], uint8_t value[300])
{
	memset(value, 'v', 300);
	for (int i = 0; i < KEYS; i++) {
		etcdpb__key_value__init(&kvs[i]);
		memcpy(keys[i], "/k/0", 4);
		keys[i][3] = (uint8_t)('0' + i);
		kvs[i].key = (ProtobufCBinaryData){ 4, keys[i] };
		kvs[i].value = (ProtobufCBinaryData){ (size_t)i * 150, value };
		kvs[i].create_revision = INT64_MAX;
		kvs[i].mod_revision = 1000 + i;
		kvs[i].version = 1;
		kvs[i].lease = i ? INT64_MAX - i : 0;
	}
}

static uint8_t *pack_range(size_t *ret_len)
{
	Etcdpb__RangeResponse m = ETCDPB__RANGE_RESPONSE__INIT;
	Etcdpb__ResponseHeader header = ETCDPB__RESPONSE_HEADER__INIT;
	Etcdpb__KeyValue kvs[KEYS], *ptr[KEYS] = { &kvs[0], &kvs[1], &kvs[2] };
	uint8_t keys[KEYS][8], value[300];

	fill_kvs(kvs, keys, value);
	header.cluster_id = UINT64_MAX;
	header.revision = 12345;
	m.header = &header;
	m.kvs = ptr;
	m.n_kvs = KEYS;
	m.more = 1;
	m.count = 77;
	return pack(&m.base, ret_len);
}

/* Reads in parts of @step; returns how many pairs there were, or -errno. */
static int read_range(const uint8_t *data, size_t len, size_t step)
{
	struct etcd_stream s = {};
	struct etcd_header header = {};
	struct etcd_field f;
	struct etcd_kv kv;
	bool more = false;
	int64_t count = 0;
	int n = 0, pairs = 0;

	for (size_t at = 0; at < len && n >= 0; at += step) {
		/* A copy: each part alone is readable. */
		size_t left = MIN(step, len - at);
		uint8_t *part = malloc(left);
		const uint8_t *p = part;

		memcpy(part, data + at, left);
		while ((n = etcd_stream_next(&s, &p, &left, &f)) > 0) {
			if (f.id == 1)
				n = etcd_read_header(f.data, &header);
			else if (f.id == 2)
				n = etcd_read_kv(f.data, &kv);
			else if (f.id == 3)
				more = f.number;
			else if (f.id == 4)
				count = (int64_t)f.number;
			if (n < 0)
				break;
			if (f.id != 2)
				continue;
			assert_int_equal(kv.key.len, 4);
			assert_int_equal(((const char *)kv.key.data)[3], '0' + pairs);
			assert_int_equal(kv.value.len, pairs * 150);
			assert_int_equal(kv.mod_revision, 1000 + pairs);
			assert_true(kv.lease == (pairs ? INT64_MAX - pairs : 0));
			pairs++;
		}
		free(part);
	}
	if (n >= 0)
		n = etcd_stream_end(&s);
	etcd_stream_free(&s);
	if (n < 0)
		return n;
	assert_true(header.cluster_id == UINT64_MAX);
	assert_int_equal(header.revision, 12345);
	assert_true(more);
	assert_int_equal(count, 77);
	return pairs;
}

static void test_a_range_wherever_it_is_split(void **state)
{
	uint8_t *data;
	size_t len;

	data = pack_range(&len);
	for (size_t step = 1; step <= len; step++)
		assert_int_equal(read_range(data, len, step), KEYS);
	free(data);
}

static void test_a_range_that_is_cut_off_anywhere(void **state)
{
	uint8_t *data;
	size_t len;

	data = pack_range(&len);
	for (size_t cut = 1; cut < len; cut++) {
		struct etcd_stream s = {};
		struct etcd_field f;
		const uint8_t *at = data;
		size_t left = cut;
		int n;

		while ((n = etcd_stream_next(&s, &at, &left, &f)) > 0)
			;
		assert_int_equal(n, 0);
		assert_int_equal(left, 0);
		/* Between two fields, nothing is missing that could be seen. */
		n = etcd_stream_end(&s);
		assert_true(n == 0 || n == -EPROTO);
		etcd_stream_free(&s);
	}
	free(data);
}

static void test_every_flipped_byte_is_survived(void **state)
{
	uint8_t *data;
	size_t len;

	data = pack_range(&len);
	for (size_t i = 0; i < len; i++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			struct etcd_stream s = {};
			struct etcd_field f;
			struct etcd_kv kv;
			struct etcd_watch_answer a;
			const uint8_t *at = data;
			size_t left = len;

			data[i] ^= (uint8_t)(1 << bit);
			while (etcd_stream_next(&s, &at, &left, &f) > 0)
				if (f.bytes)
					etcd_read_kv(f.data, &kv);
			etcd_stream_free(&s);
			if (!etcd_read_watch((struct etcd_bytes){ data, len }, &a))
				free(a.events);
			data[i] ^= (uint8_t)(1 << bit);
		}
	}
	free(data);
}

static void test_what_is_no_protobuf_is_refused(void **state)
{
	static const struct { const char *data; size_t len; int code; } rows[] = {
		{ "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11, -EPROTO }, /* eleven bytes of number */
		{ "\x00\x01", 2, -EPROTO },         /* field 0 */
		{ "\x0b", 1, -EPROTO },             /* a group */
		{ "\x0f", 1, -EPROTO },             /* type 7 */
		{ "\x12\x81\x80\x80\x08", 5, -EMSGSIZE }, /* 16 MiB and one byte */
		{ "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, -EMSGSIZE },
		{ "\x31" "12345678", 9, 1 },        /* eight bytes */
		{ "\x35" "1234", 5, 1 },            /* four bytes */
		{ "\x12\x00", 2, 1 },
		{ "\x12\x01", 2, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct etcd_stream s = {};
		struct etcd_field f;
		const uint8_t *at = (const uint8_t *)rows[i].data;
		size_t len = rows[i].len;

		assert_int_equal(etcd_stream_next(&s, &at, &len, &f), rows[i].code);
		etcd_stream_free(&s);
	}
}

static void test_a_watch_answer(void **state)
{
	Etcdpb__WatchResponse m = ETCDPB__WATCH_RESPONSE__INIT;
	Etcdpb__ResponseHeader header = ETCDPB__RESPONSE_HEADER__INIT;
	Etcdpb__KeyValue kvs[KEYS];
	Etcdpb__Event events[KEYS], *ptr[KEYS];
	uint8_t keys[KEYS][8], value[300];
	struct etcd_watch_answer a;
	uint8_t *data;
	size_t len;

	fill_kvs(kvs, keys, value);
	for (int i = 0; i < KEYS; i++) {
		etcdpb__event__init(&events[i]);
		events[i].type = i == 1;
		events[i].kv = &kvs[i];
		ptr[i] = &events[i];
	}
	header.revision = 99;
	m.header = &header;
	m.watch_id = -1;
	m.canceled = 1;
	m.compact_revision = 5;
	m.cancel_reason = "because";
	m.fragment = 1;
	m.events = ptr;
	m.n_events = KEYS;
	data = pack(&m.base, &len);
	assert_int_equal(etcd_read_watch((struct etcd_bytes){ data, len }, &a), 0);
	assert_int_equal(a.header.revision, 99);
	assert_true(a.watch_id == -1);
	assert_true(a.canceled && a.fragment && !a.created);
	assert_int_equal(a.compact_revision, 5);
	assert_memory_equal(a.reason.data, "because", 7);
	assert_int_equal(a.n_events, KEYS);
	for (int i = 0; i < KEYS; i++) {
		assert_int_equal(a.events[i].deleted, i == 1);
		assert_memory_equal(a.events[i].key.data, keys[i], 4);
		assert_int_equal(a.events[i].mod_revision, 1000 + i);
	}
	free(a.events);
	free(data);

	/* Two bytes each would make an array of thirty times what has come. */
	assert_int_equal(etcd_read_watch((struct etcd_bytes){ "\x5a\0\x5a\0\x5a\0", 6 }, &a), -EPROTO);
	assert_int_equal(etcd_read_watch((struct etcd_bytes){ "", 0 }, &a), 0);
	assert_int_equal(a.n_events, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_range_wherever_it_is_split),
		cmocka_unit_test(test_a_range_that_is_cut_off_anywhere),
		cmocka_unit_test(test_every_flipped_byte_is_survived),
		cmocka_unit_test(test_what_is_no_protobuf_is_refused),
		cmocka_unit_test(test_a_watch_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
