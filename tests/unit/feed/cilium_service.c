/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ClusterService and MCSAPIServiceSpec: services, slices out of backends, exports. */
#include "../core/rows.h"

#include "cilium_pieces.h"

#define KEY "cilium/state/services/v1/cluster3/foo/bar"
#define HEAD "{\"cluster\":\"cluster3\",\"namespace\":\"foo\",\"name\":\"bar\",\"clusterID\":3,"
#define EXPORT "cilium/state/serviceexports/v1/cluster3/foo/bar"
#define EXPORT_HEAD "{\"cluster\":\"cluster3\",\"name\":\"bar\",\"namespace\":\"foo\"," \
		    "\"exportCreationTimestamp\":\"2026-01-01T00:00:00Z\","

static const struct value_row rows[] = {
	{ "a service as Cilium writes it", KEY,
	  HEAD "\"frontends\":{\"10.96.0.10\":{\"http\":{\"Protocol\":\"TCP\",\"Port\":80}}},"
	  "\"backends\":{\"10.244.1.10\":{\"http\":{\"Protocol\":\"TCP\",\"Port\":8080}}},"
	  "\"hostnames\":{\"10.244.1.10\":\"a\"},\"zones\":{\"10.244.1.10\":{\"zone\":\"z\"}},\"labels\":{},"
	  "\"selector\":{},\"includeExternal\":true,\"shared\":true}",
	  "service foo/bar global 10.96.0.10 http:80/6; slice foo/bar 4 http:8080/6 10.244.1.10", NULL },
	{ "both families, ports once, slices by family", KEY,
	  HEAD "\"frontends\":{\"10.96.0.10\":{\"\":{\"Protocol\":\"UDP\",\"Port\":53}},"
	  "\"fd00:96::10\":{\"\":{\"Protocol\":\"UDP\",\"Port\":53}}},"
	  "\"backends\":{\"10.244.1.10\":{\"\":{\"Protocol\":\"UDP\",\"Port\":5353}},"
	  "\"fd00::10\":{\"\":{\"Protocol\":\"UDP\",\"Port\":5353}},"
	  "\"10.244.1.11\":{\"\":{\"Protocol\":\"UDP\",\"Port\":5353}}}}",
	  "service foo/bar global 10.96.0.10 fd00:96::10 :53/17; slice foo/bar 4 :5353/17 10.244.1.10 "
	  "10.244.1.11; slice foo/bar 6 :5353/17 fd00::10", NULL },
	{ "backends whose ports differ", KEY,
	  HEAD "\"frontends\":{\"10.96.0.10\":{\"http\":{\"Protocol\":\"TCP\",\"Port\":80}}},"
	  "\"backends\":{\"10.244.1.10\":{\"http\":{\"Protocol\":\"TCP\",\"Port\":8080}},"
	  "\"10.244.1.11\":{\"http\":{\"Protocol\":\"TCP\",\"Port\":9090}}}}",
	  "service foo/bar global 10.96.0.10 http:80/6; slice foo/bar 4 http:8080/6 10.244.1.10; "
	  "slice foo/bar 4 http:9090/6 10.244.1.11", NULL },
	{ "not shared", KEY, HEAD "\"frontends\":{\"10.96.0.10\":{}},\"backends\":{},\"shared\":false}",
	  "service foo/bar global unshared 10.96.0.10", NULL },
	{ "headless: no frontends", KEY, HEAD "\"frontends\":{},\"backends\":{\"10.244.1.10\":{}},\"shared\":true}",
	  "service foo/bar global headless; slice foo/bar 4 10.244.1.10", NULL },
	{ "no backends, null", KEY, HEAD "\"frontends\":null,\"backends\":null}", "service foo/bar global headless",
	  NULL },
	{ "another cluster", KEY, "{\"cluster\":\"x\",\"namespace\":\"foo\",\"name\":\"bar\",\"clusterID\":3}", NULL,
	  "of cluster \"x\", not of cluster3" },
	{ "another name than the key's", KEY "z", HEAD "\"frontends\":{}}", NULL, "not what its key says" },
	{ "a name that the key only begins with", "cilium/state/services/v1/cluster3/fo/obar",
	  HEAD "\"frontends\":{}}", NULL, "not what its key says" },
	{ "another id", KEY, "{\"cluster\":\"cluster3\",\"namespace\":\"foo\",\"name\":\"bar\",\"clusterID\":2}", NULL,
	  "clusterID is not 3" },
	{ "a zone in an address", KEY, HEAD "\"backends\":{\"fe80::1%eth0\":{}}}", NULL, "backend" },
	{ "a frontend that is no address", KEY, HEAD "\"frontends\":{\"x\":{}}}", NULL, "frontend" },
	{ "a port that is none", KEY, HEAD "\"backends\":{\"10.1.1.1\":{\"a\":{\"Protocol\":\"TCP\",\"Port\":0}}}}",
	  NULL, "port 0 is not from 1 to 65535" },
	{ "a port without a number", KEY, HEAD "\"backends\":{\"10.1.1.1\":{\"a\":{\"Protocol\":\"TCP\"}}}}", NULL,
	  "port a has no number" },
	{ "a protocol that is none", KEY, HEAD "\"frontends\":{\"10.1.1.1\":{\"a\":{\"Protocol\":\"X\",\"Port\":1}}}}",
	  NULL, "protocol X" },
	{ "backends in a list", KEY, HEAD "\"backends\":[]}", NULL, "backends is not a map" },
	{ "shared as a text", KEY, HEAD "\"shared\":\"yes\"}", NULL, "shared is neither" },

	{ "an export", EXPORT,
	  EXPORT_HEAD "\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":80}],\"type\":\"ClusterSetIP\","
	  "\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":42}},"
	  "\"ipFamilies\":[\"IPv4\"],\"Annotations\":{},\"labels\":{}}",
	  "export foo/bar", NULL },
	{ "an export of another name", EXPORT "z", EXPORT_HEAD "\"type\":\"Headless\"}", NULL,
	  "not what its key says" },
	{ "an export of another cluster", EXPORT, "{\"cluster\":\"y\",\"name\":\"bar\",\"namespace\":\"foo\"}", NULL,
	  "of cluster \"y\"" },
};

static void each_value_becomes_what_it_says(void **state)
{
	check_value(&cluster3, *state);
}

static const struct value_row alone_rows[] = {
	{ "without services, an export tells of the Service too", EXPORT,
	  EXPORT_HEAD "\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":80}],\"type\":\"ClusterSetIP\","
	  "\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":42}}}",
	  "export foo/bar; service foo/bar affinity=42 http:80/6", NULL },
	{ "a headless one", EXPORT, EXPORT_HEAD "\"type\":\"Headless\",\"sessionAffinity\":\"None\"}",
	  "export foo/bar; service foo/bar headless", NULL },
	{ "a timeout out of range", EXPORT,
	  EXPORT_HEAD "\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":0}}}", NULL, "timeoutSeconds" },
};

static void an_export_may_be_all_there_is(void **state)
{
	struct cilium_reader reader = cluster3;

	reader.peer.services = false;
	check_value(&reader, *state);
}

/* Full slices are followed by others, and sets of ports are limited. */
static void large_services_are_cut_and_limited(void **state)
{
	static char text[1 << 20];
	struct piece *pieces = NULL;
	struct err err;

	strcpy(text, HEAD "\"backends\":{");
	for (int i = 0; i <= SNAPSHOT_MAX_ENDPOINTS; i++)
		sprintf(text + strlen(text), "%s\"10.%d.%d.%d\":{}", i ? "," : "", 1 + i / 65536, i / 256 % 256, i % 256);
	strcat(text, "}}");
	assert_int_equal(cilium_decode((void *)&cluster3, KEY, text, strlen(text), &pieces, NULL), 0);
	assert_int_equal(pieces->next->slice.n_endpoints, SNAPSHOT_MAX_ENDPOINTS);
	assert_int_equal(pieces->next->next->slice.n_endpoints, 1);
	piece_free(pieces);

	strcpy(text, HEAD "\"backends\":{");
	for (int i = 0; i <= CILIUM_MAX_PORT_SETS; i++)
		sprintf(text + strlen(text), "%s\"10.1.1.%d\":{\"a\":{\"Protocol\":\"TCP\",\"Port\":%d}}", i ? "," : "",
			i + 1, i + 1);
	strcat(text, "}}");
	assert_int_equal(cilium_decode((void *)&cluster3, KEY, text, strlen(text), &pieces, &err), -EINVAL);
	assert_non_null(strstr(err.text, "more than 64 different sets of ports"));
}

int main(void)
{
	static struct rows tests;

	ROWS_ADD_TABLE(&tests, each_value_becomes_what_it_says, rows);
	ROWS_ADD_TABLE(&tests, an_export_may_be_all_there_is, alone_rows);
	ROWS_ADD_TEST(&tests, large_services_are_cut_and_limited);
	return rows_run("cilium_service", &tests);
}
