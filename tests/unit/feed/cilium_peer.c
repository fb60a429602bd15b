/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a Cilium cluster says of itself, and its keys. */
#include "../core/rows.h"

#include <errno.h>
#include <stdio.h>

#include "feed/cilium_peer.h"

static const struct row {
	const char *name, *text;
	const char *want, *says;
} rows[] = {
	{ "as a Cilium 1.19 with MCS support writes it",
	  "{\"id\":3,\"capabilities\":{\"syncedCanaries\":true,\"maxConnectedClusters\":255,"
	  "\"serviceExportsEnabled\":false}}", "3 16 canaries services exports", NULL },
	{ "511 clusters take a bit of the identities",
	  "{\"id\":300,\"capabilities\":{\"syncedCanaries\":true,\"maxConnectedClusters\":511}}",
	  "300 15 canaries services", NULL },
	{ "a KVStoreMesh", "{\"id\":3,\"capabilities\":{\"syncedCanaries\":true,\"cached\":true}}",
	  "3 16 canaries cached services", NULL },
	{ "an old one", "{\"id\":255}", "255 16 services", NULL },
	{ "no exports where they are null", "{\"id\":3,\"capabilities\":{\"serviceExportsEnabled\":null}}",
	  "3 16 services", NULL },
	{ "slices alone", "{\"id\":3,\"capabilities\":{\"endpointSlicesExportMode\":\"endpointslices-only\"}}",
	  "3 16 slices", NULL },
	{ "a mode that is not known may mean both",
	  "{\"id\":3,\"capabilities\":{\"endpointSlicesExportMode\":\"services-and-endpointslices\"}}",
	  "3 16 services slices", NULL },
	{ "services alone", "{\"id\":3,\"capabilities\":{\"endpointSlicesExportMode\":\"services-only\"}}",
	  "3 16 services", NULL },
	{ "id 0", "{\"id\":0,\"capabilities\":{}}", NULL, "its cluster id is 0, not 1 to 255" },
	{ "no id", "{}", NULL, "its cluster id is 0" },
	{ "an id above the most", "{\"id\":256}", NULL, "its cluster id is 256, not 1 to 255" },
	{ "the same with 511", "{\"id\":512,\"capabilities\":{\"maxConnectedClusters\":511}}", NULL, "1 to 511" },
	{ "another number of clusters", "{\"id\":3,\"capabilities\":{\"maxConnectedClusters\":1023}}", NULL,
	  "maxConnectedClusters is 1023" },
	{ "a flag that is none", "{\"id\":3,\"capabilities\":{\"cached\":1}}", NULL, "capabilities.cached" },
	{ "an id as a text", "{\"id\":\"3\"}", NULL, "id is not a number" },
	{ "no JSON", "id: 3", NULL, "no JSON object" },
	{ "half of it", "{\"id\":3", NULL, "cluster-config" },
	{ "nothing", "", NULL, "no JSON object" },
};

static void each_configuration_is_read(void **state)
{
	const struct row *row = *state;
	struct cilium_peer peer;
	struct err err = { .text = "" };
	char out[256];
	int rc = cilium_peer_parse(row->text, strlen(row->text), &peer, &err);

	if (!row->want) {
		assert_int_equal(rc, -EINVAL);
		if (!strstr(err.text, row->says))
			fail_msg("\"%s\" does not say \"%s\"", err.text, row->says);
		return;
	}
	if (rc)
		fail_msg("refused: %s", err.text);
	snprintf(out, sizeof(out), "%u %u%s%s%s%s%s", peer.id, peer.identity_bits,
		 peer.canaries ? " canaries" : "", peer.cached ? " cached" : "", peer.services ? " services" : "",
		 peer.exports ? " exports" : "", peer.slices ? " slices" : "");
	assert_string_equal(out, row->want);
}

static void another_id_than_configured_is_refused(void **state)
{
	struct cilium_peer peer = { .id = 3 };
	struct err err;

	assert_int_equal(cilium_peer_check(&peer, "west", 3, &err), 0);
	assert_int_equal(cilium_peer_check(&peer, "west", 2, &err), -EINVAL);
	assert_non_null(strstr(err.text, "cluster west says that its id is 3, but our configuration gives it 2"));
	assert_non_null(strstr(err.text, "set id: 3"));
}

static void keys_are_those_of_cilium(void **state)
{
	struct cilium_peer state_peer = { .id = 3 }, cache = { .id = 3, .cached = true };
	char buf[CILIUM_MAX_KEY];

	assert_string_equal(cilium_prefix(&state_peer, "cluster3", CILIUM_NODES, buf),
			    "cilium/state/nodes/v1/cluster3/");
	assert_string_equal(cilium_prefix(&state_peer, "cluster3", CILIUM_IPS, buf), "cilium/state/ip/v1/default/");
	assert_string_equal(cilium_prefix(&cache, "cluster3", CILIUM_IPS, buf), "cilium/cache/ip/v1/cluster3/");
	assert_string_equal(cilium_prefix(&cache, "cluster3", CILIUM_SLICES, buf),
			    "cilium/cache/endpointslices/v1/cluster3/");
	assert_string_equal(cilium_config_key("cluster3", buf), "cilium/cluster-config/cluster3");
	assert_string_equal(cilium_canaries("cluster3", buf), "cilium/synced/cluster3/");
}

static int canary(const struct cilium_peer *peer, const char *key)
{
	return cilium_canary_kind(peer, "cluster3", key, strlen(key));
}

static void canaries_name_a_prefix(void **state)
{
	struct cilium_peer peer = { .id = 3 }, cache = { .id = 3, .cached = true };

	assert_int_equal(canary(&peer, "cilium/synced/cluster3/cilium/state/nodes/v1"), CILIUM_NODES);
	assert_int_equal(canary(&peer, "cilium/synced/cluster3/cilium/state/ip/v1"), CILIUM_IPS);
	assert_int_equal(canary(&peer, "cilium/synced/cluster3/cilium/state/identities/v1"), -1);
	assert_int_equal(canary(&peer, "cilium/synced/cluster3/cilium/state/nodes/v12"), -1);
	assert_int_equal(canary(&peer, "cilium/synced/cluster33/cilium/state/nodes/v1"), -1);
	assert_int_equal(canary(&peer, "cilium/synced/cluster3/cilium/cache/nodes/v1"), -1);
	assert_int_equal(canary(&cache, "cilium/synced/cluster3/cilium/cache/services/v1"), CILIUM_SERVICES);
}

int main(void)
{
	static struct rows tests;

	ROWS_ADD_TABLE(&tests, each_configuration_is_read, rows);
	ROWS_ADD_TEST(&tests, another_id_than_configured_is_refused);
	ROWS_ADD_TEST(&tests, keys_are_those_of_cilium);
	ROWS_ADD_TEST(&tests, canaries_name_a_prefix);
	return rows_run("cilium_peer", &tests);
}
