/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Nodes and addresses of Cilium's mesh store; which key is of which kind. */
#include "../core/rows.h"

#include "cilium_pieces.h"

#define NODES "cilium/state/nodes/v1/cluster3/"
#define IPS "cilium/state/ip/v1/default/"
#define HEAD "{\"Name\":\"n1\",\"Cluster\":\"cluster3\","
#define ADDRS "\"IPAddresses\":[{\"Type\":\"CiliumInternalIP\",\"IP\":\"10.244.1.1\"}," \
	      "{\"Type\":\"ExternalIP\",\"IP\":\"198.51.100.3\"},{\"Type\":\"InternalIP\",\"IP\":\"172.18.0.3\"}," \
	      "{\"Type\":\"InternalIP\",\"IP\":\"fc00:c111::3\"},{\"Type\":\"Hostname\",\"IP\":\"n1\"}],"
#define TAIL "\"ClusterID\":3,\"Source\":\"custom-resource\",\"EncryptionKey\":0}"
#define CIDR4 "\"IPv4AllocCIDR\":{\"IP\":\"10.244.1.0\",\"Mask\":\"////AA==\"},"
#define CIDR6 "\"IPv6AllocCIDR\":{\"IP\":\"fd00:10:244:1::\",\"Mask\":\"//////////8AAAAAAAAAAA==\"},"

static const struct value_row rows[] = {
	{ "a node as Cilium writes it", NODES "n1",
	  HEAD ADDRS CIDR4 CIDR6
	  "\"IPv4SecondaryAllocCIDRs\":null,\"IPv6SecondaryAllocCIDRs\":null,\"IPv4HealthIP\":\"10.244.1.9\","
	  "\"Labels\":{\"topology.kubernetes.io/zone\":\"a\"},\"Annotations\":null,\"NodeIdentity\":0,"
	  "\"WireguardPubKey\":\"\",\"BootID\":\"x\"," TAIL,
	  "node n1 172.18.0.3 fc00:c111::3 10.244.1.0/24 fd00:10:244:1::/64 bits=16 zone=a", NULL },
	{ "more prefixes of a node, each once", NODES "n1",
	  HEAD ADDRS CIDR4 "\"IPv4SecondaryAllocCIDRs\":[{\"IP\":\"10.245.0.0\",\"Mask\":\"//8AAA==\"},"
	  "{\"IP\":\"10.244.1.0\",\"Mask\":\"////AA==\"}]," TAIL,
	  "node n1 172.18.0.3 fc00:c111::3 10.244.1.0/24 10.245.0.0/16 bits=16", NULL },
	{ "an IPv4 mask in sixteen bytes", NODES "n1",
	  HEAD ADDRS "\"IPv4AllocCIDR\":{\"IP\":\"10.244.1.0\",\"Mask\":\"////////////////////AA==\"}," TAIL,
	  "node n1 172.18.0.3 fc00:c111::3 10.244.1.0/24 bits=16", NULL },
	{ "a node without prefixes", NODES "n1", HEAD ADDRS "\"IPv4AllocCIDR\":null," TAIL,
	  "node n1 172.18.0.3 fc00:c111::3 bits=16", NULL },
	{ "an ExternalIP where there is no InternalIP", NODES "n1",
	  HEAD "\"IPAddresses\":[{\"Type\":\"ExternalIP\",\"IP\":\"198.51.100.3\"}]," TAIL,
	  "node n1 198.51.100.3 bits=16", NULL },
	{ "a node without addresses is warned of", NODES "n1", HEAD "\"IPAddresses\":null," TAIL,
	  "node n1 bits=16 (Node n1 has no InternalIP and no ExternalIP: it cannot be reached)", NULL },
	{ "one that encrypts too", NODES "n1",
	  HEAD ADDRS "\"ClusterID\":3,\"EncryptionKey\":255}",
	  "node n1 172.18.0.3 fc00:c111::3 bits=16 (Node n1 encrypts (EncryptionKey 255): what it sends so is not "
	  "understood here)", NULL },
	{ "another name than the key's", NODES "n2", HEAD ADDRS TAIL, NULL, "not what its key says" },
	{ "another cluster", NODES "n1", "{\"Name\":\"n1\",\"Cluster\":\"cluster4\",\"ClusterID\":3}", NULL,
	  "of cluster \"cluster4\", not of cluster3" },
	{ "another cluster's id", NODES "n1", HEAD "\"ClusterID\":4}", NULL, "ClusterID is not 3" },
	{ "no id", NODES "n1", HEAD "\"IPAddresses\":[]}", NULL, "ClusterID is not 3" },
	{ "bits behind the prefix", NODES "n1",
	  HEAD "\"IPv4AllocCIDR\":{\"IP\":\"10.244.1.1\",\"Mask\":\"////AA==\"}," TAIL, NULL, "10.244.1.0/24" },
	{ "a mask with holes", NODES "n1",
	  HEAD "\"IPv4AllocCIDR\":{\"IP\":\"10.244.1.0\",\"Mask\":\"//8A/w==\"}," TAIL, NULL, "ones and then zeros" },
	{ "a mask of the other family", NODES "n1",
	  HEAD "\"IPv4AllocCIDR\":{\"IP\":\"10.244.1.0\",\"Mask\":\"//8=\"}," TAIL, NULL, "2 bytes, not 4" },
	{ "no base64", NODES "n1", HEAD "\"IPv4AllocCIDR\":{\"IP\":\"10.244.1.0\",\"Mask\":\"*\"}," TAIL, NULL,
	  "not base64" },
	{ "all addresses are nobody's prefix", NODES "n1",
	  HEAD "\"IPv4AllocCIDR\":{\"IP\":\"0.0.0.0\",\"Mask\":\"AAAAAA==\"}," TAIL, NULL, "no range of pod addresses" },
	{ "loopback is no address of a node", NODES "n1",
	  HEAD "\"IPAddresses\":[{\"Type\":\"InternalIP\",\"IP\":\"127.0.0.1\"}]," TAIL, NULL, "127.0.0.1" },
	{ "half a value", NODES "n1", "{\"Name\":", NULL, "value" },
	{ "no JSON", NODES "n1", "Name: n1", NULL, "no JSON object" },
	{ "nothing", NODES "n1", "", NULL, "no JSON object" },

	{ "an address as Cilium writes it", IPS "10.244.1.79",
	  "{\"IP\":\"10.244.1.79\",\"Mask\":null,\"HostIP\":\"172.18.0.3\",\"ID\":199472,\"Key\":0,\"Metadata\":\"\","
	  "\"K8sNamespace\":\"foo\",\"K8sPodName\":\"cep-001\",\"K8sServiceAccount\":\"default\"}",
	  "node ip 10.244.1.79 172.18.0.3 10.244.1.79/32", NULL },
	{ "an IPv6 one, of a node known by IPv4", IPS "fd00::9",
	  "{\"IP\":\"fd00::9\",\"Mask\":null,\"HostIP\":\"172.18.0.3\",\"ID\":1}",
	  "node ip fd00::9 172.18.0.3 fd00::9/128", NULL },
	{ "a prefix", IPS "10.9.0.0/16", "{\"IP\":\"10.9.0.0\",\"Mask\":\"//8AAA==\",\"HostIP\":\"172.18.0.3\"}",
	  "node ip 10.9.0.0/16 172.18.0.3 10.9.0.0/16", NULL },
	{ "one without a node is nothing", IPS "10.9.0.1", "{\"IP\":\"10.9.0.1\",\"Mask\":null,\"HostIP\":\"\"}", "",
	  NULL },
	{ "another address than the key's", IPS "10.9.0.2", "{\"IP\":\"10.9.0.1\",\"HostIP\":\"172.18.0.3\"}", NULL,
	  "not what its key says" },
	{ "a prefix under the key of an address", IPS "10.9.0.0",
	  "{\"IP\":\"10.9.0.0\",\"Mask\":\"//8AAA==\",\"HostIP\":\"172.18.0.3\"}", NULL, "not what its key says" },
	{ "a node that is no address", IPS "10.9.0.1", "{\"IP\":\"10.9.0.1\",\"HostIP\":\"n1\"}", NULL, "HostIP" },
	{ "another prefix of the store", "cilium/state/identities/v1/id/7", "{}", NULL, "no such prefix" },
};

static void each_value_becomes_what_it_says(void **state)
{
	check_value(&cluster3, *state);
}

static void a_cache_is_read_the_same(void **state)
{
	struct cilium_reader cache = cluster3;
	const struct value_row row = { "", "cilium/cache/ip/v1/cluster3/10.9.0.1",
				       "{\"IP\":\"10.9.0.1\",\"HostIP\":\"172.18.0.3\"}",
				       "node ip 10.9.0.1 172.18.0.3 10.9.0.1/32", NULL };
	const char *rest;

	cache.peer.cached = true;
	check_value(&cache, &row);
	assert_int_equal(cilium_key_kind(&cache, NODES "n1", &rest), -1);
	assert_int_equal(cilium_key_kind(&cache, "cilium/cache/nodes/v1/cluster3/n1", &rest), CILIUM_NODES);
	assert_string_equal(rest, "n1");
	assert_int_equal(cilium_key_kind(&cluster3, "cilium/state/nodes/v1/cluster33/n1", &rest), -1);
}

static void too_many_prefixes_are_refused(void **state)
{
	auto_free char *text = malloc(100 * (SNAPSHOT_MAX_CIDRS + 2));
	char out[TEXT_MAX];

	for (int n = SNAPSHOT_MAX_CIDRS; n <= SNAPSHOT_MAX_CIDRS + 1; n++) {
		strcpy(text, HEAD ADDRS "\"IPv4SecondaryAllocCIDRs\":[");
		for (int i = 0; i < n; i++)
			sprintf(text + strlen(text), "%s{\"IP\":\"10.%d.%d.0\",\"Mask\":\"////AA==\"}", i ? "," : "",
				i / 256, i % 256);
		strcat(text, "]," TAIL);
		if (n == SNAPSHOT_MAX_CIDRS) {
			struct piece *piece = NULL;

			assert_int_equal(cilium_decode((void *)&cluster3, NODES "n1", text, strlen(text), &piece,
						       NULL), 0);
			assert_int_equal(piece->node.n_cidrs, n);
			piece_free(piece);
		} else {
			assert_int_equal(decoded(&cluster3, NODES "n1", text, strlen(text), out), -EINVAL);
			assert_non_null(strstr(out, "more than 512 pod prefixes"));
		}
	}
}

int main(void)
{
	static struct rows tests;

	ROWS_ADD_TABLE(&tests, each_value_becomes_what_it_says, rows);
	ROWS_ADD_TEST(&tests, a_cache_is_read_the_same);
	ROWS_ADD_TEST(&tests, too_many_prefixes_are_refused);
	return rows_run("cilium_decode", &tests);
}
