/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which events are wanted, and what a line about one says. */
#include "../core/rows.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "cli/eventview.h"
#include "core/addr.h"
#include "core/defs.h"

static struct xm_event event(uint16_t reason, const char *src, const char *dst, const char *outer, uint16_t cluster)
{
	struct xm_event e = { .reason = reason, .hook = XM_HOOK_FROM_POD, .proto = 6, .len = 60, .cluster = cluster,
			      .sport = htons(4242), .dport = htons(80) };

	assert_int_equal(addr_parse(src, &e.src, NULL), 0);
	assert_int_equal(addr_parse(dst, &e.dst, NULL), 0);
	if (outer)
		assert_int_equal(addr_parse(outer, &e.outer_src, NULL), 0);
	return e;
}

static const struct filter_row {
	const char *name;
	uint16_t reason;
	bool drops, flows;
	const char *prefix;
	int only;               /* reason, -1 = any */
	uint16_t cluster;
	bool wanted;
} filters[] = {
	{ "a drop among drops", XM_DROP_POD_SOURCE, true, false, NULL, -1, 0, true },
	{ "a drop where flows are wanted", XM_DROP_POD_SOURCE, false, true, NULL, -1, 0, false },
	{ "a flow where drops are wanted", XM_FLOW_NEW, true, false, NULL, -1, 0, false },
	{ "a flow among flows", XM_FLOW_NEW, false, true, NULL, -1, 0, true },
	{ "too big counts among drops", XM_STACK_TOO_BIG, true, false, NULL, -1, 0, true },
	{ "its reason", XM_DROP_ECN, true, true, NULL, XM_DROP_ECN, 0, true },
	{ "another reason", XM_DROP_ECN, true, true, NULL, XM_DROP_POD_SOURCE, 0, false },
	{ "its cluster", XM_DROP_ECN, true, true, NULL, -1, 2, true },
	{ "another cluster", XM_DROP_ECN, true, true, NULL, -1, 3, false },
	{ "its source", XM_DROP_ECN, true, true, "10.1.0.0/16", -1, 0, true },
	{ "its destination", XM_DROP_ECN, true, true, "10.2.1.2/32", -1, 0, true },
	{ "the tunnel it came through", XM_DROP_ECN, true, true, "192.0.2.0/24", -1, 0, true },
	{ "another address", XM_DROP_ECN, true, true, "10.3.0.0/16", -1, 0, false },
	{ "a reason of a later version", XM_REASON_COUNT, true, true, NULL, -1, 0, false },
};

static void filter(void **state)
{
	const struct filter_row *row = *state;
	struct xm_event e = event(row->reason, "10.1.1.2", "10.2.1.2", "192.0.2.21", 2);
	struct eventview_filter f = { .drops = row->drops, .flows = row->flows, .has_reason = row->only >= 0,
				      .reason = row->only, .cluster = row->cluster, .has_addr = row->prefix };

	if (row->prefix)
		assert_int_equal(prefix_parse(row->prefix, &f.addr, NULL), 0);
	assert_int_equal(eventview_matches(&f, &e), row->wanted);
}

/* An address that is not there is in no prefix, not even in that of everything. */
static void no_address_matches_none(void **state)
{
	struct xm_event e = { .reason = XM_DROP_ECN };
	struct eventview_filter f = { .drops = true, .has_addr = true };

	assert_int_equal(prefix_parse("::/0", &f.addr, NULL), 0);
	assert_false(eventview_matches(&f, &e));
}

static void reasons(void **state)
{
	struct err err = { 0 };
	uint16_t reason;

	assert_int_equal(eventview_reason("pod_source", &reason, &err), 0);
	assert_int_equal(reason, XM_DROP_POD_SOURCE);
	assert_int_equal(eventview_reason("flow_new", &reason, &err), 0);
	assert_int_equal(eventview_reason("tunnel", &reason, &err), -EINVAL);
	assert_non_null(strstr(err.text, "makes no events"));
	assert_int_equal(eventview_reason("pod_sourse", &reason, &err), -EINVAL);
	assert_non_null(strstr(err.text, "did you mean pod_source"));
}

static void a_line(void **state)
{
	struct wanted_cluster cluster = { .id = 2, .cluster = { .name = "west" } };
	struct wanted_name name = { .number = 5, .name = { .name = "west-1", .cluster = 2, .n_addrs = 1 } };
	struct wanted actual = { .clusters = &cluster, .n_clusters = 1, .names = &name, .n_names = 1 };
	struct view view = { .actual = &actual };
	struct xm_event e = event(XM_DROP_PEER_SOURCE, "10.9.9.9", "10.1.1.2", "192.0.2.21", 2);
	json_object *o;
	char *text = NULL;
	size_t size;
	FILE *out;

	setenv("TZ", "UTC", 1);
	tzset();
	name.name.addr[0] = e.outer_src;
	e.limit = 1450;
	out = open_memstream(&text, &size);
	eventview_line(out, &view, &e, 1000000001007);
	fclose(out);
	assert_string_equal(text, "2001-09-09 01:46:41.007 drop from_pod peer_source tcp 10.9.9.9:4242 -> 10.1.1.2:80, "
				  "60 bytes (limit 1450), from 192.0.2.21, node west-1, cluster west: "
				  "inner source outside of what that peer may announce\n");
	free(text);
	o = eventview_json(&view, &e, 1000000001007);
	assert_string_equal(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN),
		"{\"type\":\"drop\",\"time_ms\":1000000001007,\"hook\":\"from_pod\",\"reason\":\"peer_source\","
		"\"protocol\":\"tcp\",\"source\":\"10.9.9.9\",\"source_port\":4242,\"destination\":\"10.1.1.2\","
		"\"destination_port\":80,\"length\":60,\"limit\":1450,\"outer_source\":\"192.0.2.21\","
		"\"node\":\"west-1\",\"cluster\":\"west\",\"interface\":null}");
	json_object_put(o);
}

int main(void)
{
	struct rows rows = { 0 };

	ROWS_ADD_TABLE(&rows, filter, filters);
	ROWS_ADD_TEST(&rows, no_address_matches_none);
	ROWS_ADD_TEST(&rows, reasons);
	ROWS_ADD_TEST(&rows, a_line);
	return rows_run("eventview", &rows);
}
