/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * xmesh.yaml: defaults, every key, every refusal with its line, and the way back to text. Covers
 * the files that share the work: config.c, config_host.c, config_reader.c, config_format.c. Feeds
 * and publishing: config_feed.c.
 */
#include "unit/core/rows.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/addr.h"
#include "model/config.h"

#define FILE_NAME "/etc/xmesh/xmesh.yaml"
#define HEAD "cluster: {name: east, id: 1}\n"
#define WEST "{name: west, id: 2, feed: {dir: /w}}"

static int parse(const char *text, struct config **ret_config, struct err *err)
{
	return config_parse(text, strlen(text), FILE_NAME, ret_config, err);
}

static struct config *parse_good(const char *text)
{
	struct config *c = NULL;
	struct err err = { 0 };

	if (parse(text, &c, &err))
		fail_msg("%s", err.text);
	return c;
}

/* @says: what stands behind "FILE:". */
static const struct bad_row {
	const char *name, *text, *says;
} bad_rows[] = {
	{ "an empty file says what is needed", "", " it is empty: cluster: {name: NAME, id: NUMBER}" },
	{ "comments alone are an empty file", "# x\n", " it is empty" },
	{ "a list is no configuration", "- a\n", "1: must be a map of keys, as in cluster: ..." },
	{ "a second document", HEAD "---\na: 1\n", "3: a second document" },
	{ "syntax has its line", HEAD "peers: [\n", "3: not YAML" },
	{ "binary text has its line", HEAD "\xff\xfe", "2: not UTF-8" },
	{ "no cluster", "xdp: off\n", " cluster: {name: NAME, id: NUMBER} is missing" },
	{ "no cluster id", "cluster: {name: east}\n", " cluster: {name: NAME, id: NUMBER} is missing" },
	{ "a key that stands twice", HEAD "xdp: off\nxdp: off\n", "3: the key \"xdp\" stands twice" },

	{ "an unknown key names the nearest", HEAD "\nundrlay: [eth0]\n",
	  "3: unknown key \"undrlay\": did you mean \"underlay\"?" },
	{ "an unknown key like no other names all", "cluster:\n  name: east\n  frobnicate: 1\n",
	  "3: cluster: unknown key \"frobnicate\": known here are name, id" },
	{ "an unknown key of a peer", HEAD "peers:\n  - name: west\n    idd: 2\n",
	  "4: peers[0]: unknown key \"idd\": did you mean \"id\"?" },
	{ "an unknown key of the tunnel", HEAD "tunnel: {prot: 1}\n",
	  "2: tunnel: unknown key \"prot\": did you mean \"port\"?" },
	{ "an unknown key of the pods", HEAD "pods:\n  interface: [a]\n",
	  "3: pods: unknown key \"interface\": did you mean \"interfaces\"?" },
	{ "keys are lower case", HEAD "XDP: off\n", "2: unknown key \"XDP\"" },

	{ "cluster id 0", "cluster: {name: east, id: 0}\n",
	  "1: cluster.id: 0 is out of range: it must be 1 to 65535" },
	{ "cluster id 65536", "cluster: {name: east, id: 65536}\n", "1: cluster.id: 65536 is out" },
	{ "cluster id as a word", "cluster: {name: east, id: one}\n",
	  "1: cluster.id: \"one\" is not a whole number" },
	{ "cluster id as a list", "cluster: {name: east, id: [1]}\n", "1: cluster.id: must be a text" },
	{ "cluster name with a dot", "cluster: {name: ea.st, id: 1}\n",
	  "1: cluster.name: \"ea.st\" is not a cluster name" },
	{ "cluster name in capitals", "cluster: {name: East, id: 1}\n", "1: cluster.name: \"East\"" },
	{ "cluster as a text", "cluster: east\n", "1: cluster: must be a map" },

	{ "node name in capitals", HEAD "node: {name: East-1}\n", "2: node.name: \"East-1\"" },
	{ "node address with a port", HEAD "node:\n  addresses:\n  - 192.0.2.1:80\n",
	  "4: node.addresses: \"192.0.2.1:80\" is not an IPv4" },
	{ "node address as a prefix", HEAD "node: {addresses: [192.0.2.1/24]}\n", "2: node.addresses" },
	{ "node address: loopback", HEAD "node: {addresses: [127.0.0.1]}\n", "cannot be the address" },
	{ "node address: link-local", HEAD "node: {addresses: ['fe80::1']}\n",
	  "2: node.addresses: fe80::1 cannot be" },
	{ "two node addresses of a family", HEAD "node: {addresses: [192.0.2.1, 192.0.2.2]}\n",
	  "192.0.2.2: a second address of its family" },
	{ "node addresses as a text", HEAD "node: {addresses: 192.0.2.1}\n", "2: node.addresses: must" },

	{ "instance with a slash", HEAD "instance: a/b\n", "2: instance: \"a/b\"" },
	{ "instance in capitals", HEAD "instance: A\n", "2: instance: \"A\"" },
	{ "instance empty", HEAD "instance: ''\n", "2: instance: \"\"" },
	{ "instance of 33 letters", HEAD "instance: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	  "2: instance: " },
	{ "a relative bpffs", HEAD "bpffs: sys/fs/bpf\n", "2: bpffs: \"sys/fs/bpf\": must be an abs" },
	{ "a run_dir too long for a socket",
	  HEAD "run_dir: /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	  "2: run_dir: a path of 65 bytes: at most 64" },
	{ "a path with a line break", HEAD "state_dir: \"/a\\nb\"\n", "2: state_dir: " },
	{ "device with a slash", HEAD "device: a/b\n", "2: device: \"a/b\" is not the name of a" },
	{ "device of 16 letters", HEAD "device: aaaaaaaaaaaaaaaa\n", "2: device: " },
	{ "device ..", HEAD "device: ..\n", "2: device: \"..\"" },

	{ "underlay as a text", HEAD "underlay: eth0\n", "2: underlay: must be a list" },
	{ "underlay by glob", HEAD "underlay: ['eth*']\n", "2: underlay: \"eth*\" is not the name" },
	{ "underlay twice the same", HEAD "underlay: [eth0, eth1, eth0]\n", "eth0 stands twice" },
	{ "underlay is the device", HEAD "device: x0\nunderlay: [x0]\n",
	  "3: underlay: x0 is the xmesh device itself" },
	{ "17 underlay interfaces", HEAD "underlay: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q]\n",
	  "2: underlay: 17 interfaces: at most 16" },

	{ "a glob with an open bracket", HEAD "pods: {interfaces: ['veth[0-9']}\n",
	  "2: pods.interfaces: \"veth[0-9\" is no glob" },
	{ "a glob that ends in a bracket", HEAD "pods: {interfaces: ['veth[']}\n", "\"veth[\" is no" },
	{ "a glob with a backslash", HEAD "pods: {interfaces: ['veth\\*']}\n", "is no glob" },
	{ "an empty glob", HEAD "pods: {interfaces: ['']}\n", "\"\" is no glob" },
	{ "a glob with a slash", HEAD "pods: {interfaces: ['a/*']}\n", "is no glob" },
	{ "pods path unknown", HEAD "pods: {path: quick}\n",
	  "2: pods.path: \"quick\": must be auto, fast or stack" },
	{ "source_check as a word", HEAD "pods: {source_check: on}\n",
	  "2: pods.source_check: must be true or false" },

	{ "xdp unknown", HEAD "xdp: skb\n", "2: xdp: \"skb\": must be off, auto, native or generic" },
	{ "xdp as a map", HEAD "xdp: {}\n", "2: xdp: must be off, auto" },
	{ "socket_lb as an unknown word", HEAD "socket_lb: on\n",
	  "2: socket_lb: must be auto, off or the path of a cgroup v2 folder" },
	{ "socket_lb as a map", HEAD "socket_lb: {path: /x}\n", "2: socket_lb: must be auto, off or" },
	{ "socket_lb by a relative path", HEAD "socket_lb: kubepods\n", "2: socket_lb: must be auto, off" },
	{ "socket_lb by a path with a line break", HEAD "socket_lb: \"/a\\nb\"\n", "2: socket_lb: " },
	{ "north_south as a word", HEAD "north_south: entry\n", "2: north_south: must be a map of keys" },
	{ "return_own unknown", HEAD "north_south: {return_own: dsr}\n",
	  "2: north_south.return_own: \"dsr\": must be direct or entry" },
	{ "return_peers unknown", HEAD "north_south: {return_peers: back}\n",
	  "2: north_south.return_peers: \"back\": must be direct or entry" },
	{ "a key of north_south mistyped", HEAD "north_south: {return_peer: entry}\n",
	  "2: north_south: unknown key \"return_peer\": did you mean \"return_peers\"?" },
	{ "north_south mistyped", HEAD "north_sout: {}\n", "did you mean \"north_south\"?" },
	{ "mode unknown", HEAD "mode: direct\n", "2: mode: \"direct\": must be tunnel or native" },
	{ "mode of a family unknown", HEAD "mode: {ipv4: x}\n", "2: mode.ipv4: \"x\"" },
	{ "mode of an unknown family", HEAD "mode: {ipv5: tunnel}\n", "did you mean \"ipv4\"?" },
	{ "tunnel port 0", HEAD "tunnel: {port: 0}\n", "2: tunnel.port: 0 is out of range" },
	{ "tunnel port negative", HEAD "tunnel: {port: -8492}\n",
	  "2: tunnel.port: -8492 is out of range: it must be 1 to 65535" },
	{ "tunnel port too large", HEAD "tunnel: {port: 65536}\n", "2: tunnel.port: 65536" },
	{ "tunnel id 0", HEAD "tunnel: {id: 0}\n", "2: tunnel.id: 0" },
	{ "tunnel id of 25 bits", HEAD "tunnel: {id: 16777216}\n", "1 to 16777215" },
	{ "tunnel protocol", HEAD "tunnel: {protocol: geneve}\n", "\"geneve\": must be vxlan" },
	{ "tunnel family", HEAD "tunnel: {family: inet}\n", "must be auto, ipv4 or ipv6" },

	{ "stale_after without a unit", HEAD "stale_after: 5\n", "2: stale_after: \"5\" is not a dur" },
	{ "remove_after negative", HEAD "remove_after: -5m\n", "2: remove_after: \"-5m\"" },
	{ "max_shrink without percent", HEAD "max_shrink: 50\n", "2: max_shrink: \"50\": must be" },
	{ "max_shrink over 100", HEAD "max_shrink: 101%\n", "2: max_shrink: 101 is out of range" },
	{ "metrics on a negative port", HEAD "metrics: {listen: '127.0.0.1:-1'}\n",
	  "2: metrics.listen: port: -1 is out of range" },
	{ "metrics without a port", HEAD "metrics: {listen: 127.0.0.1}\n", "must be ADDRESS:PORT" },
	{ "metrics on IPv6 without brackets", HEAD "metrics: {listen: '::1:80'}\n", "must be ADDRESS" },
	{ "metrics on a name", HEAD "metrics: {listen: 'localhost:80'}\n", "\"localhost\" is not an" },

	{ "carry unknown", HEAD "local: {carry: maybe}\n", "must be auto, yes or no" },
	{ "peers as a map", HEAD "peers: " WEST "\n", "2: peers: must be a list" },
	{ "a peer without a feed", HEAD "peers: [{name: west, id: 2}]\n",
	  "2: peers[0]: a peer needs a feed" },
	{ "a peer without an id", HEAD "peers: [{name: west, feed: {dir: /w}}]\n", "needs an id" },
	{ "a peer without a name", HEAD "peers: [{id: 2, feed: {dir: /w}}]\n", "needs a name" },
	{ "a peer with our own id", HEAD "peers:\n- {name: west, id: 1, feed: {dir: /w}}\n",
	  "3: peers[0]: id 1 of cluster west is that of cluster east already (in line 1)" },
	{ "a peer with our own name", HEAD "peers:\n- {name: east, id: 2, feed: {dir: /w}}\n",
	  "3: peers[0]: the cluster east stands twice, first in line 1" },
	{ "two peers of one id", HEAD "peers:\n- " WEST "\n- {name: north, id: 2, feed: {dir: /n}}\n",
	  "4: peers[1]: id 2 of cluster north is that of cluster west already (in line 3)" },
	{ "two peers of one name", HEAD "peers:\n- " WEST "\n- {name: west, id: 3, feed: {dir: /n}}\n",
	  "4: peers[1]: the cluster west stands twice, first in line 3" },
	{ "JSON has no lines but still the place", "{\"cluster\": {\"name\": \"east\", \"id\": 0}}",
	  " cluster.id: 0 is out of range" },
};

static void run_bad(void **state)
{
	const struct bad_row *row = *state;
	struct config *c = NULL;
	struct err err = { 0 };

	assert_int_equal(parse(row->text, &c, &err), -EINVAL);
	assert_null(c);
	assert_memory_equal(err.text, FILE_NAME ":", strlen(FILE_NAME) + 1);
	if (!strstr(err.text + strlen(FILE_NAME) + 1, row->says))
		fail_msg("\"%s\" does not say \"%s\"", err.text, row->says);
}

static void check_defaults(const struct config *c)
{
	assert_string_equal(c->instance, "default");
	assert_string_equal(c->bpffs, "/sys/fs/bpf");
	assert_string_equal(c->run_dir, "/run/xmesh");
	assert_string_equal(c->state_dir, "/var/lib/xmesh");
	assert_string_equal(c->device, "xmesh0");
	assert_string_equal(c->node_name, "");
	assert_true(xm_addr_is_zero(&c->node_addr4) && xm_addr_is_zero(&c->node_addr6));
	assert_int_equal(c->n_underlay, 0);
	assert_int_equal(c->n_pod_globs, 3);
	assert_string_equal(c->pod_globs[0], "veth*");
	assert_string_equal(c->pod_globs[1], "cali*");
	assert_string_equal(c->pod_globs[2], "lxc*");
	assert_int_equal(c->pods_path, CONFIG_PATH_AUTO);
	assert_true(c->pods_source_check);
	assert_int_equal(c->xdp, CONFIG_XDP_OFF);
	assert_int_equal(c->own.mode4, XM_MODE_TUNNEL);
	assert_int_equal(c->own.mode6, XM_MODE_TUNNEL);
	assert_int_equal(c->tunnel_port, 8492);
	assert_int_equal(c->tunnel_id, 1);
	assert_int_equal(c->tunnel_family, CONFIG_FAMILY_AUTO);
	assert_int_equal(c->carry, CONFIG_CARRY_AUTO);
	assert_int_equal(c->stale_after_ms, 300000);
	assert_true(c->remove_after_ms == UINT64_MAX);
	assert_int_equal(c->max_shrink_percent, 50);
	assert_string_equal(c->metrics_listen, "127.0.0.1:9964");
	assert_string_equal(c->socket_lb, "auto");
	assert_false(c->return_own_entry);
	assert_false(c->return_peers_direct);
	assert_int_equal(c->own.n_sources, 0);
	assert_null(c->publish);
	assert_int_equal(c->publish_ttl_s, 300);
	assert_int_equal(c->n_peers, 0);
	assert_int_equal(c->n_warnings, 0);
}

static void defaults_are_those_of_the_manual(void **state)
{
	struct config *c;

	assert_int_equal(config_defaults(&c), 0);
	check_defaults(c);
	assert_int_equal(c->own.id, 0);
	config_free(c);

	c = parse_good(HEAD);
	check_defaults(c);
	assert_string_equal(c->own.name, "east");
	assert_int_equal(c->own.id, 1);
	config_free(c);
}

static void null_is_as_good_as_absent(void **state)
{
	struct config *c = parse_good(HEAD "node:\ninstance:\nbpffs: ~\nunderlay:\npods:\nxdp:\n"
					   "tunnel: {port: }\npeers:\nlocal: {feed: }\npublish:\n");

	check_defaults(c);
	config_free(c);
}

static const char full[] =
	HEAD
	"node: {name: east-1.example, addresses: ['2001:db8::1', 192.0.2.1]}\n"
	"instance: blue-2\n"
	"bpffs: /tmp/bpf\n"
	"run_dir: /tmp/run\n"
	"state_dir: '/tmp/a \"quoted\" \\ d\xc3\xa9'\n"
	"device: xm1\n"
	"underlay: [eth0, wg0]\n"
	"pods: {interfaces: ['a?[!0-9]*', '[]x]'], path: stack, source_check: false}\n"
	"xdp: native\n"
	"socket_lb: /sys/fs/cgroup/unified\n"
	"north_south: {return_own: entry, return_peers: direct}\n"
	"mode: {ipv4: native}\n"
	"tunnel: {protocol: vxlan, port: 65535, id: 16777215, family: ipv6}\n"
	"stale_after: 90s\n"
	"remove_after: 1500ms\n"
	"max_shrink: 0%\n"
	"metrics: {listen: '[::1]:9964'}\n"
	"local: {carry: no, feed: {dir: clusters/east}}\n"
	"peers:\n"
	"- " WEST "\n"
	"- {name: n, id: 65535, mode: tunnel, feed: {dir: ../n}}\n"
	"- {name: s, id: 3, mode: {ipv6: native}, feed: {dir: s}}\n";

static void check_full(const struct config *c)
{
	struct xm_addr a;

	assert_string_equal(c->node_name, "east-1.example");
	addr_parse("192.0.2.1", &a, NULL);
	assert_true(xm_addr_eq(&c->node_addr4, &a));
	addr_parse("2001:db8::1", &a, NULL);
	assert_true(xm_addr_eq(&c->node_addr6, &a));
	assert_string_equal(c->instance, "blue-2");
	assert_string_equal(c->bpffs, "/tmp/bpf");
	assert_string_equal(c->run_dir, "/tmp/run");
	assert_string_equal(c->state_dir, "/tmp/a \"quoted\" \\ d\xc3\xa9");
	assert_string_equal(c->device, "xm1");
	assert_int_equal(c->n_underlay, 2);
	assert_string_equal(c->underlay[0], "eth0");
	assert_string_equal(c->underlay[1], "wg0");
	assert_int_equal(c->n_pod_globs, 2);
	assert_string_equal(c->pod_globs[0], "a?[!0-9]*");
	assert_string_equal(c->pod_globs[1], "[]x]");
	assert_int_equal(c->pods_path, CONFIG_PATH_STACK);
	assert_false(c->pods_source_check);
	assert_int_equal(c->xdp, CONFIG_XDP_NATIVE);
	assert_int_equal(c->tunnel_port, 65535);
	assert_int_equal(c->tunnel_id, 16777215);
	assert_int_equal(c->tunnel_family, CONFIG_FAMILY_IPV6);
	assert_int_equal(c->stale_after_ms, 90000);
	assert_int_equal(c->remove_after_ms, 1500);
	assert_int_equal(c->max_shrink_percent, 0);
	assert_string_equal(c->metrics_listen, "[::1]:9964");
	assert_string_equal(c->socket_lb, "/sys/fs/cgroup/unified");
	assert_true(c->return_own_entry);
	assert_true(c->return_peers_direct);
	assert_int_equal(c->carry, CONFIG_CARRY_NO);
	assert_string_equal(c->own.sources->dir, "/etc/xmesh/clusters/east");
	assert_int_equal(c->own.mode4, XM_MODE_NATIVE);
	assert_int_equal(c->own.mode6, XM_MODE_TUNNEL);
	assert_int_equal(c->n_peers, 3);
	assert_string_equal(c->peers[0].name, "west");
	assert_string_equal(c->peers[0].sources->dir, "/w");
	assert_int_equal(c->peers[0].id, 2);
	assert_int_equal(c->peers[0].mode4, XM_MODE_NATIVE);
	assert_int_equal(c->peers[0].mode6, XM_MODE_TUNNEL);
	assert_int_equal(c->peers[1].id, 65535);
	assert_int_equal(c->peers[1].mode4, XM_MODE_TUNNEL);
	assert_string_equal(c->peers[1].sources->dir, "/etc/xmesh/../n");
	assert_int_equal(c->peers[2].mode4, XM_MODE_NATIVE);
	assert_int_equal(c->peers[2].mode6, XM_MODE_NATIVE);
	assert_int_equal(c->n_warnings, 0);
}

static void every_key_is_read(void **state)
{
	struct config *c = parse_good(full);

	check_full(c);
	assert_int_equal(c->own.line, 1);
	assert_int_equal(c->peers[1].line, 22);
	config_free(c);
}

static void what_is_written_back_is_read_as_the_same(void **state)
{
	static const char *const texts[] = { full, HEAD, HEAD "pods: {interfaces: []}\n",
					     HEAD "socket_lb: off\n"
					     "north_south: {return_own: direct, return_peers: entry}\n" };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct config *c = parse_good(texts[i]), *again;
		char *once = config_format(c), *twice;

		again = parse_good(once);
		if (i == 0)
			check_full(again);
		if (i == 1)
			check_defaults(again);
		twice = config_format(again);
		assert_string_equal(once, twice);
		free(once);
		free(twice);
		config_free(c);
		config_free(again);
	}
}

static void keys_may_stand_in_any_order(void **state)
{
	struct config *c = parse_good("peers: [" WEST "]\nmode: native\nunderlay: [a]\ndevice: b\n"
				      HEAD);

	assert_int_equal(c->peers[0].mode4, XM_MODE_NATIVE);
	assert_int_equal(c->peers[0].mode6, XM_MODE_NATIVE);
	config_free(c);
}

static void peers_end_at_1023(void **state)
{
	char *text = malloc(128 * 1024);
	struct config *c;
	struct err err;

	for (int n = XM_MAX_CLUSTERS - 1; n <= XM_MAX_CLUSTERS; n++) {
		char *end = text + sprintf(text, HEAD "peers:\n");

		for (int i = 0; i < n; i++)
			end += sprintf(end, "- {name: p%d, id: %d, feed: {dir: /p%d}}\n", i, i + 2, i);
		if (n < XM_MAX_CLUSTERS) {
			c = parse_good(text);
			assert_int_equal(c->n_peers, n);
			config_free(c);
		} else {
			assert_int_equal(parse(text, &c, &err), -EINVAL);
			assert_non_null(strstr(err.text, "1024 peers: at most 1023"));
		}
	}
	free(text);
}

static void globs_end_at_64(void **state)
{
	char text[1024] = HEAD "pods: {interfaces: [";
	struct config *c;
	struct err err;

	for (int i = 0; i < CONFIG_MAX_GLOBS; i++)
		strcat(text, "a*,");
	strcat(text, "]}\n");
	c = parse_good(text);
	assert_int_equal(c->n_pod_globs, CONFIG_MAX_GLOBS);
	config_free(c);
	strcpy(strrchr(text, ']'), "a*]}\n");
	assert_int_equal(parse(text, &c, &err), -EINVAL);
	assert_non_null(strstr(err.text, "65 globs: at most 64"));
}

static void files_are_read_and_bounded(void **state)
{
	char path[] = "/tmp/xmesh-config-XXXXXX", want[64];
	struct config *c;
	struct err err;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, full, sizeof(full) - 1), sizeof(full) - 1);
	assert_int_equal(config_read(path, &c, &err), 0);
	assert_string_equal(c->file, path);
	assert_string_equal(c->own.sources->dir, "/tmp/clusters/east");
	config_free(c);

	assert_int_equal(ftruncate(fd, CONFIG_MAX_BYTES + 1), 0);
	assert_int_equal(config_read(path, &c, &err), -EFBIG);
	close(fd);
	unlink(path);
	assert_int_equal(config_read(path, &c, &err), -ENOENT);
	snprintf(want, sizeof(want), "%s: no such file", path);
	assert_string_equal(err.text, want);
}

/* Every cut of a text is read or refused, without a bad access or a leak. */
static void any_cut_of_a_text_is_harmless(void **state)
{
	for (size_t len = 0; len < sizeof(full); len++) {
		struct config *c = NULL;
		struct err err;

		if (!config_parse(full, len, FILE_NAME, &c, &err))
			config_free(c);
		else
			assert_memory_equal(err.text, FILE_NAME ":", strlen(FILE_NAME) + 1);
	}
}

int main(void)
{
	static struct rows rows;

	ROWS_ADD_TABLE(&rows, run_bad, bad_rows);
	ROWS_ADD_TEST(&rows, defaults_are_those_of_the_manual);
	ROWS_ADD_TEST(&rows, null_is_as_good_as_absent);
	ROWS_ADD_TEST(&rows, every_key_is_read);
	ROWS_ADD_TEST(&rows, what_is_written_back_is_read_as_the_same);
	ROWS_ADD_TEST(&rows, keys_may_stand_in_any_order);
	ROWS_ADD_TEST(&rows, peers_end_at_1023);
	ROWS_ADD_TEST(&rows, globs_end_at_64);
	ROWS_ADD_TEST(&rows, files_are_read_and_bounded);
	ROWS_ADD_TEST(&rows, any_cut_of_a_text_is_harmless);
	return rows_run("config", &rows);
}
