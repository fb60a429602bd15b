/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside of `xmesh explain`: a question, the frame that it stands for, where that frame comes in, and
 * what is said about what became of it. Programs are run by plane/dryrun.h.
 */
#ifndef XMESH_CLI_EXPLAIN_H
#define XMESH_CLI_EXPLAIN_H

#include <json-c/json.h>

#include "cli/view.h"
#include "model/service_tables.h"
#include "plane/attach.h"
#include "plane/dryrun.h"

/* ---- explain_ask.c: the question ---- */

#define EXPLAIN_SPORT 50000  /* where SRC names none: in the dynamic range of every client */
#define EXPLAIN_SIZE_MAX 65535

struct explain_ask {
	struct xm_addr src, dst;
	uint16_t sport, dport;   /* host order; 0 with ICMP */
	uint8_t proto;           /* IPPROTO_TCP, _UDP, _SCTP, _ICMP, _ICMPV6 */
	uint32_t size;           /* of the IP packet */
};

/*
 * SRC[:PORT], DST[:PORT][/PROTO] and the size of the IP packet (NULL: as small as it is). An IPv6
 * address with a port is in brackets. Without a port it is an ICMP echo, with one TCP. -EINVAL, the
 * sentence says what would be right.
 */
int explain_ask(const char *src, const char *dst, const char *size, struct explain_ask *ret_ask, struct err *err);
/* The smallest IP packet of such a question. */
uint32_t explain_least(const struct explain_ask *ask);
/* "TCP SYN 10.1.1.2:50000 -> 10.96.1.20:80". */
#define EXPLAIN_FLOW_MAX 160
const char *explain_flow(const struct explain_ask *ask, char buf[EXPLAIN_FLOW_MAX]);

/* ---- explain_frame.c: bytes ---- */

#define EXPLAIN_FRAME_MAX (EXPLAIN_SIZE_MAX + 128)

struct explain_macs { __u8 dst[6], src[6]; };

/* Around the packet, when it comes in the tunnel. */
struct explain_tunnel {
	struct xm_addr src, dst;
	uint16_t port;            /* host order */
	uint32_t vni;
	struct explain_macs macs; /* of the inner Ethernet header */
};

/* @tunnel NULL: bare. Checksums are right. Returns the frame's length; @buf: EXPLAIN_FRAME_MAX. */
size_t explain_build(const struct explain_ask *ask, const struct explain_macs *macs,
		     const struct explain_tunnel *tunnel, uint8_t *buf);

/* What is in a frame. */
struct explain_seen {
	struct explain_macs macs;
	bool tunnelled;
	struct xm_addr outer_src, outer_dst; /* tunnelled */
	uint16_t outer_sport, outer_dport;
	uint32_t outer_len, vni;
	struct xm_addr src, dst;             /* of the packet itself */
	uint16_t sport, dport;
	uint8_t proto, ttl;
	uint32_t len;
};

/* @port: the tunnel's, host order. False: no whole IP packet. */
bool explain_read(const uint8_t *data, size_t len, uint16_t port, struct explain_seen *ret_seen);

/* ---- explain_entry.c: where it comes in ---- */

enum explain_from {
	EXPLAIN_POD,      /* a pod of this node, or --interface of one */
	EXPLAIN_PEER,     /* a pod or a node of the mesh, as its node would send it */
	EXPLAIN_OUTSIDE,  /* neither: bare, on an underlay interface */
	EXPLAIN_HOST,     /* this host itself: no program sees what it sends */
};

struct explain_entry {
	enum explain_from from;
	enum dryrun_prog prog;       /* not of EXPLAIN_HOST */
	struct attach_hook hook;     /* the attached program */
	bool xdp;                    /* XDP looks first there */
	struct explain_macs macs;
	bool tunnelled;
	struct explain_tunnel tunnel;
};

/*
 * @ifname: --interface, NULL = as the tables say. Errors have been said, with what to
 * do.
 */
enum cli_exit explain_entry(const struct view *view, const struct explain_ask *ask, const char *ifname,
			    struct explain_entry *ret_entry);

/* ---- explain_feed.c: the tables of a proposed feed ---- */

struct explain_feed;

/*
 * What the maps would hold if the feed of a cluster were @dir: filled into @dryrun's private maps.
 * Errors have been said. explain_feed_view() is @live with those tables.
 */
enum cli_exit explain_feed(const struct view *live, const struct dryrun *dryrun, const char *dir,
			   struct view *ret_view, const char **ret_cluster);

/* ---- explain_story.c: what is said ---- */

/* Everything that the answer is made from. */
struct explain_case {
	const struct view *view;
	const struct service_tables *tables;
	const struct explain_ask *ask;
	const struct explain_entry *entry;
	const struct dryrun_result *result;   /* NULL with EXPLAIN_HOST */
	const struct dryrun_result *socket;   /* NULL: it was not asked */
	const struct sockets_place *cgroups;  /* with our socket programs */
	size_t n_cgroups;
	const struct fact_path *path;         /* the kernel's own, with EXPLAIN_HOST */
};

/* One line of the story. */
struct explain_step {
	const char *step;        /* "source", a word that never changes */
	char text[512];
	uint16_t cluster;        /* whose feed decided it; 0 = none did */
	bool fed;
};

struct explain_story {
	struct explain_step *steps;
	size_t n_steps;
	const char *reason;      /* of reasons.h; NULL with EXPLAIN_HOST */
	const char *kind;        /* "forward", "stack", "pass", "drop", "answer" */
	const char *what;        /* what happened, and what to do */
	bool arrives;            /* as far as xmesh is concerned */
};

/* -ENOMEM. explain_story_done() releases. */
int explain_story(const struct explain_case *c, struct explain_story *ret_story);
void explain_story_done(struct explain_story *story);
/* The service part alone, for @result of a hook or of the socket program. */
int explain_service(const struct explain_case *c, const struct dryrun_result *result, const char *step,
		    struct explain_story *story);
/* Slots of the slice that @t was chosen from: its backend's, all of that backend's cluster, all. */
struct explain_shares { uint32_t backend, cluster, slots; };
/* -ENOENT: Maglev was not asked. Errors of bpf(2). */
int explain_shares(const struct explain_case *c, const struct xm_trace *t, struct explain_shares *ret_shares);
/* Add a line. -ENOMEM. @cluster 0: no feed decided it. */
int explain_say(struct explain_story *story, const char *step, uint16_t cluster, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
