/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ClusterEndpointSlice: what it becomes, and frames and messages that are none. */
#include "../core/rows.h"

#include "cilium_frames.h"
#include "cilium_pieces.h"

#define KEY "cilium/state/endpointslices/v1/cluster3/foo/bar-x1"

static int decode_message(const struct message *m, char out[TEXT_MAX])
{
	size_t len;
	auto_free void *frame = frame_of(m->data, m->len, 0, &len);

	return decoded(&cluster3, KEY, frame, len, out);
}

static void usual(struct message *m)
{
	put_head(m, "cluster3", 3, "IPv4");
	put_endpoint(m, "10.244.1.10", "111", "n1");
	put_endpoint(m, "10.244.1.11", NULL, NULL);
	put_endpoint(m, "10.244.1.12", "0--", "n2");
	put_endpoint(m, "10.244.1.13", "001", "n2");
	put_port(m, "http", "TCP", 8080);
	put_port(m, "", "UDP", 53);
}
static void v6(struct message *m)
{
	put_head(m, "cluster3", 3, "IPv6");
	put_endpoint(m, "fd00::9", "1--", "n1");
}
static void null_port(struct message *m)
{
	struct message port = { .len = 0 };

	put_head(m, "cluster3", 3, "IPv4");
	put_text(&port, 2, "TCP");
	put_message(m, 9, &port);
}
static void newer(struct message *m) /* fields of a later version, of all wire types */
{
	put_number(m, 77, 5);
	put_text(m, 78, "x");
	put_varint(m, 79 << 3 | 1);
	memset(m->data + m->len, 0xff, 8);
	m->len += 8;
	put_varint(m, 80 << 3 | 5);
	memset(m->data + m->len, 0xff, 4);
	m->len += 4;
	v6(m);
}
static void several(struct message *m)
{
	struct message e = { .len = 0 };

	put_head(m, "cluster3", 3, "IPv4");
	put_text(&e, 1, "10.244.1.10");
	put_text(&e, 1, "10.244.1.11");
	put_message(m, 8, &e);
}
static void names(struct message *m) { put_head(m, "cluster3", 3, "FQDN"); }
static void imported(struct message *m)
{
	put_head(m, "cluster3", 3, "IPv4");
	put_label(m, "multicluster.kubernetes.io/service-name", "bar");
}
static void other_cluster(struct message *m) { put_head(m, "cluster4", 3, "IPv4"); }
static void other_id(struct message *m) { put_head(m, "cluster3", 4, "IPv4"); }
static void other_type(struct message *m) { put_head(m, "cluster3", 3, "IPv5"); }
static void other_family(struct message *m)
{
	put_head(m, "cluster3", 3, "IPv4");
	put_endpoint(m, "fd00::9", NULL, NULL);
}
static void bad_address(struct message *m)
{
	put_head(m, "cluster3", 3, "IPv4");
	put_endpoint(m, "10.244.1", NULL, NULL);
}
static void no_address(struct message *m)
{
	put_head(m, "cluster3", 3, "IPv4");
	put_message(m, 8, &(struct message){ .len = 0 });
}
static void high_port(struct message *m)
{
	put_head(m, "cluster3", 3, "IPv4");
	put_port(m, "http", "TCP", (uint64_t)-1);
}
static void long_text(struct message *m)
{
	char text[65] = "";

	memset(text, 'x', 64);
	put_text(m, 1, text);
}
static void a_zero(struct message *m) { put_bytes(m, 1, "a\0b", 3); }
static void cut(struct message *m)
{
	v6(m);
	m->len--;
}
static void past_its_end(struct message *m)
{
	put_varint(m, 1 << 3 | 2);
	put_varint(m, 1u << 31);
}
static void no_field(struct message *m) { put_varint(m, 2); }
static void group(struct message *m) { put_varint(m, 5 << 3 | 3); }
static void endless_varint(struct message *m)
{
	memset(m->data, 0xff, 20);
	m->len = 20;
}
static void crowd(struct message *m)
{
	put_head(m, "cluster3", 3, "IPv4");
	for (int i = 0; i <= SNAPSHOT_MAX_ENDPOINTS; i++) {
		struct message e = { .len = 0 };

		put_text(&e, 1, "10.1.1.1");
		put_message(m, 8, &e);
	}
}

static const struct row {
	const char *name;
	void (*fill)(struct message *m);
	const char *want, *says;
} rows[] = {
	{ "a slice: conditions as the API means them", usual,
	  "slice foo/bar 4 http:8080/6 :53/17 10.244.1.10!terminating@n1 10.244.1.11 10.244.1.12!ready@n2 "
	  "10.244.1.13!ready!serving!terminating@n2", NULL },
	{ "IPv6", v6, "slice foo/bar 6 fd00::9@n1", NULL },
	{ "no port means all ports", null_port, "slice foo/bar 4 :0/6", NULL },
	{ "unknown fields are passed over", newer, "slice foo/bar 6 fd00::9@n1", NULL },
	{ "several addresses are warned of", several,
	  "slice foo/bar 4 10.244.1.10 (endpoints with several addresses: the first of each is used)", NULL },
	{ "names are no backends", names, "", NULL },
	{ "what was imported is its own cluster's", imported, "", NULL },
	{ "another cluster", other_cluster, NULL, "of cluster \"cluster4\"" },
	{ "another id", other_id, NULL, "clusterID is not 3" },
	{ "another type of addresses", other_type, NULL, "addressType" },
	{ "an address of the other family", other_family, NULL, "not of its family" },
	{ "an address that is none", bad_address, NULL, "endpoint address" },
	{ "an endpoint without addresses", no_address, NULL, "no addresses" },
	{ "a port that is none", high_port, NULL, "not from 1 to 65535" },
	{ "a text that is too long", long_text, NULL, "at most 63 bytes" },
	{ "a text with a NUL", a_zero, NULL, "cluster is not a text" },
	{ "a message that is cut", cut, NULL, "no protobuf" },
	{ "a field longer than the message", past_its_end, NULL, "no protobuf" },
	{ "a field without a number", no_field, NULL, "no protobuf" },
	{ "a group", group, NULL, "no protobuf" },
	{ "a number without an end", endless_varint, NULL, "no protobuf" },
	{ "too many endpoints", crowd, NULL, "more than 4096 endpoints" },
};

static void each_message_becomes_what_it_says(void **state)
{
	const struct row *row = *state;
	struct message *m = calloc(1, sizeof(*m));
	char out[TEXT_MAX];
	int rc;

	row->fill(m);
	rc = decode_message(m, out);
	free(m);
	if (row->want) {
		if (rc)
			fail_msg("refused: %s", out);
		assert_string_equal(out, row->want);
	} else {
		assert_int_equal(rc, -EINVAL);
		if (!strstr(out, row->says))
			fail_msg("\"%s\" does not say \"%s\"", out, row->says);
	}
}

static void frames_are_whole_single_and_bounded(void **state)
{
	struct message *m = calloc(1, sizeof(*m));
	size_t len, bomb_len, room = (size_t)CILIUM_MAX_UNPACKED + 1;
	auto_free char *bomb = calloc(1, room);
	auto_free char *frame, *big, *more;
	char out[TEXT_MAX];

	usual(m);
	frame = frame_of(m->data, m->len, 0, &len);
	for (size_t cut_at = 0; cut_at < len; cut_at++)
		assert_int_equal(decoded(&cluster3, KEY, frame, cut_at, out), -EINVAL);
	assert_int_equal(decoded(&cluster3, KEY, "not zstd", 8, out), -EINVAL);
	assert_non_null(strstr(out, "no zstd frame"));
	more = malloc(len + 1);
	memcpy(more, frame, len);
	more[len] = 'x';
	assert_int_equal(decoded(&cluster3, KEY, more, len + 1, out), -EINVAL);
	assert_non_null(strstr(out, "1 bytes stand behind its zstd frame"));
	/* Few bytes that become more than is allowed: with their size in front, and without. */
	big = frame_of(bomb, room, 0, &bomb_len);
	assert_true(bomb_len < 10000);
	assert_int_equal(decoded(&cluster3, KEY, big, bomb_len, out), -EINVAL);
	assert_non_null(strstr(out, "more than 16777216 bytes"));
	free(big);
	big = frame_of(bomb, room, 20, &bomb_len);
	assert_true(bomb_len < 10000);
	assert_int_equal(decoded(&cluster3, KEY, big, bomb_len, out), -EINVAL);
	assert_non_null(strstr(out, "more than 16777216 bytes"));
	/* One byte less is as much as is allowed, and no message. */
	free(big);
	big = frame_of(bomb, room - 1, 20, &bomb_len);
	assert_int_equal(decoded(&cluster3, KEY, big, bomb_len, out), -EINVAL);
	assert_non_null(strstr(out, "no protobuf"));
	free(m);
}

int main(void)
{
	static struct rows tests;

	ROWS_ADD_TABLE(&tests, each_message_becomes_what_it_says, rows);
	ROWS_ADD_TEST(&tests, frames_are_whole_single_and_bounded);
	return rows_run("cilium_slice", &tests);
}
