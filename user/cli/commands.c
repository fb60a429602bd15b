/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of commands: dispatch, help, completion and the man page's test all read this one. */
#include "cli/cli.h"

static const char *const roles[] = { "underlay", "pod", NULL };
static const char *const xdp_modes[] = { "off", "auto", "native", "generic", NULL };

const struct cli_option cli_globals[] = {
	{ "json", NULL, NULL, "Print one JSON document; keys are lower_snake_case and stable" },
	{ "config", "FILE", NULL, "Read FILE instead of /etc/xmesh/xmesh.yaml" },
	{ "instance", "NAME", NULL, "Use this instance, whatever the configuration says" },
	{ "help", NULL, NULL, "Print the commands, or what one of them does" },
	{ NULL, NULL, NULL, NULL },
};

const struct cli_cmd cli_cmds[] = {
	{ "agent", "", "Run the node agent in the foreground",
	  "Reads the feeds, follows the kernel's links, routes and neighbours, and keeps maps, routes and\n"
	  "attachments as they should be. SIGHUP reads the configuration again; SIGTERM ends the agent and\n"
	  "leaves the datapath running. Speaks sd_notify(3): ready after the first apply.",
	  cmd_agent, 0, 0, { { 0 } } },
	{ "apply", "", "Do the agent's work once: read the feeds, plan, apply, exit",
	  "A feed that cannot be read leaves its cluster as it is, and the exit status is 1.",
	  cmd_apply, 0, 0, { { "dry-run", NULL, NULL, "Print the plan and change nothing" } } },
	{ "publish", "", "Mirror our own cluster into the etcd of publish:, for peers to read",
	  "Nodes, and the services that are global and shared with what backs them, as local.feed has them, under a\n"
	  "lease. A process of its own, once per cluster; a second one stands by. SIGHUP reads the configuration and\n"
	  "certificates again; SIGTERM takes back what was published, and peers keep what they had. Needs no root.",
	  cmd_publish, 0, 0,
	  { { "once", NULL, NULL, "Publish everything once and exit; it stays for the time of lease_ttl" } } },
	{ "attach", "IFACE...", "Load what is needed and attach the programs to IFACE; they stay",
	  "For hosts without an agent. The role is pod or underlay; without --role it is what the configuration\n"
	  "says of IFACE. While an agent runs, change its configuration instead.",
	  cmd_attach, 1, 64,
	  { { "role", "ROLE", roles, "underlay: towards other nodes; pod: host end of a pod's veth" },
	    { "xdp", "MODE", xdp_modes, "Attach XDP to an underlay interface as well (default: as configured)" } } },
	{ "detach", "[IFACE...]", "Take the programs off IFACE, or off all interfaces",
	  "The kernel's own routes through the VXLAN device stay and go on carrying traffic, unless --purge\n"
	  "removes them too. While an agent runs it is refused: the agent would attach them again.",
	  cmd_detach, 0, 64,
	  { { "all", NULL, NULL, "Every interface of this instance" },
	    { "purge", NULL, NULL, "With --all: remove pins, routes and the VXLAN device as well" } } },
	{ "status", "", "Show agent, kernel features, hooks, feeds, tables, drops, and what is in the way",
	  NULL, cmd_status, 0, 0, { { 0 } } },
	{ "map list", "", "List the BPF maps with their fill", NULL, cmd_map_list, 0, 0, { { 0 } } },
	{ "map dump", "MAP", "Print the entries of a map, decoded",
	  "xm_events is a ring buffer: what is printed is taken out of it. Of arrays only entries that are not\n"
	  "all zero are printed.",
	  cmd_map_dump, 1, 1, { { "raw", NULL, NULL, "Bytes in hexadecimal, as they are in the map" } } },
	{ "map get", "MAP KEY", "Print one entry of a map, decoded",
	  "KEY is an address (xm_nodes, xm_pods, memos, xm_services, xm_flows and what clients left), a prefix or an\n"
	  "address (xm_routes), a number (nodes, backends, services, slots), a cluster id, an interface (xm_ifaces),\n"
	  "or HOOK/REASON (xm_counters).",
	  cmd_map_get, 2, 2, { { 0 } } },
	{ "route list", "", "List the prefixes of the mesh", NULL, cmd_route_list, 0, 0, { { 0 } } },
	{ "route get", "ADDR", "Show which prefix an address belongs to and how it is reached",
	  NULL, cmd_route_get, 1, 1, { { 0 } } },
	{ "endpoint list", "", "List the pods of this node", NULL, cmd_endpoint_list, 0, 0, { { 0 } } },
	{ "endpoint add", "ADDR [IFACE]", "Add a pod by hand; it is kept until it is deleted",
	  "Without --mac the MAC is what the kernel's neighbour table says of ADDR, or of another pod behind\n"
	  "the same interface. Works with and without an agent.",
	  cmd_endpoint_add, 1, 2,
	  { { "interface", "IFACE", NULL, "The host end of the pod's veth (the same as IFACE)" },
	    { "mac", "MAC", NULL, "The pod's own MAC address" } } },
	{ "endpoint del", "ADDR", "Delete a pod that was added by hand", NULL, cmd_endpoint_del, 1, 1, { { 0 } } },
	{ "service list", "", "List the global services with their backends' states",
	  NULL, cmd_service_list, 0, 0, { { 0 } } },
	{ "service get", "NAMESPACE/NAME", "Show frontends and every backend: cluster, node, state, share, and why",
	  "A share is of new connections of this cluster's clients, counted in the table that the programs read;\n"
	  "WEIGHT is in slots of that table. Backends that get none are shown with the reason.",
	  cmd_service_get, 1, 1, { { 0 } } },
	{ "flow list", "", "List the flows of packets that are translated one by one",
	  "Sockets that choose their backend when they connect have no flow here.",
	  cmd_flow_list, 0, 0, { { "all", NULL, NULL, "Also flows whose time is over" } } },
	{ "flow flush", "", "Forget all flows; connections that rely on them are chosen anew and may break",
	  NULL, cmd_flow_flush, 0, 0, { { 0 } } },
	{ "peer list", "", "List clusters and nodes with their traffic", NULL, cmd_peer_list, 0, 0, { { 0 } } },
	{ "peer get", "NAME", "Show one cluster, or one node (NODE or CLUSTER/NODE)",
	  NULL, cmd_peer_get, 1, 1, { { 0 } } },
	{ "feed list", "", "List the feeds with state, age, revision and counts", NULL, cmd_feed_list, 0, 0, { { 0 } } },
	{ "feed check", "PATH...", "Read feeds as the agent would and print what is in them",
	  NULL, cmd_feed_check, 1, 64, { { 0 } } },
	{ "feed diff", "PATH [CLUSTER]", "Show what a proposed feed would change in the live tables",
	  "Without CLUSTER: the cluster whose configured feed PATH is, else the one whose nodes it has.",
	  cmd_feed_diff, 1, 2, { { 0 } } },
	{ "feed accept", "CLUSTER [REVISION]", "Let a snapshot pass that is held because it takes away too much",
	  "What is accepted is printed; what comes after it is judged anew. With REVISION (or the digest that\n"
	  "`feed list --json` shows) only if that very one is held. Exit status 3 when nothing is.",
	  cmd_feed_accept, 1, 2, { { 0 } } },
	{ "doctor", "", "Look at everything that xmesh depends on and name the first thing that is wrong",
	  "Kernel, clock, agent, hooks, firewall, each feed from DNS to its objects, and how large packets to\n"
	  "each node may be. Sends echoes to the nodes and connects to the feeds; changes nothing. The exit\n"
	  "status is 1 if anything is bad.",
	  cmd_doctor, 0, 0, { { "peer", "CLUSTER", NULL, "Packet sizes to the nodes of this cluster only, but to all of them" } } },
	{ "explain", "SRC[:PORT] DST[:PORT][/PROTO]", "Show what would become of a packet, step by step, and which feed decides it",
	  "Runs the attached programs' code on that packet with BPF_PROG_TEST_RUN: nothing is sent, no counter and no\n"
	  "flow changes. PROTO is tcp, udp, sctp or icmp; without PORT an ICMP echo. SRC is a pod of this node, an\n"
	  "address of this host, a pod of a peer (as its node sends it) or anybody outside. Exit status 0 when xmesh\n"
	  "would send it on or leave it to the kernel, 3 when it would end here.",
	  cmd_explain, 2, 2,
	  { { "feed", "[CLUSTER=]DIR", NULL, "As if DIR were the feed of its cluster; flows and affinity are left out" },
	    { "size", "BYTES", NULL, "Size of the IP packet (default: as small as it is)" },
	    { "interface", "IFACE", NULL, "As if it came in there, whoever SRC is" } } },
	{ "latency", "", "Show round trips of real traffic and probes, by cluster and service",
	  "Without options a heat map of clusters; with --cluster or --service histograms, and a line for each service\n"
	  "of that cluster, or each cluster of that service. Measured by the programs; an agent need not run.",
	  cmd_latency, 0, 0,
	  { { "cluster", "CLUSTER", NULL, "Round trips to this cluster alone" },
	    { "service", "NAMESPACE/NAME", NULL, "Round trips of this global service alone" },
	    { "watch", NULL, NULL, "Each second the last second and the total, until interrupted" } } },
	{ "monitor", "", "Print drops, new flows and what the agent does as it happens",
	  "Without --drops and --flows everything, the agent's events too; until interrupted. With --json an object\n"
	  "a line. The kernel limits events to 200 a second and CPU: what is lost is counted and told.",
	  cmd_monitor, 0, 0,
	  { { "drops", NULL, NULL, "Packets that were dropped or handed to the kernel as too big" },
	    { "flows", NULL, NULL, "New flows of packets that are translated" },
	    { "reason", "REASON", NULL, "Packets of this reason alone" },
	    { "cluster", "CLUSTER", NULL, "What has to do with this cluster alone" },
	    { "addr", "ADDR|PREFIX", NULL, "Packets from, to or tunnelled from there alone" },
	    { "count", "N", NULL, "End after N events" } } },
	{ "metrics", "", "Print the metrics as Prometheus text", NULL, cmd_metrics, 0, 0, { { 0 } } },
	{ "config check", "", "Check the configuration and print the effective values",
	  NULL, cmd_config_check, 0, 0, { { 0 } } },
	{ "version", "", "Print the version", NULL, cmd_version, 0, 0, { { 0 } } },
	{ "completion", "bash", "Print the completion script for bash", NULL, cmd_completion, 1, 1, { { 0 } } },
	{ NULL, NULL, NULL, NULL, NULL, 0, 0, { { 0 } } },
};
