/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the files of the mirror share: etcd_mirror.c (what is to be done, and when), etcd_mirror_list.c and
 * etcd_mirror_watch.c. Callbacks of calls only note what came and what is to be done; calls are begun and
 * given up by the timer `work` alone, so that none is ended from inside of itself.
 */
#ifndef XMESH_FEED_ETCD_MIRROR_PARTS_H
#define XMESH_FEED_ETCD_MIRROR_PARTS_H

#include "feed/backoff.h"
#include "feed/etcd_mirror.h"

struct mirror_prefix {
	int64_t id;    /* its number; never given again, so that what comes late meets nobody */
	char *key, *end;
	size_t len;
	bool listed;   /* its list is whole, and next stands */
	bool watching; /* asked for on the stream that is open */
	bool told;     /* events of a response whose end has not come yet */
	int64_t next;  /* the first revision that is not told yet */
};

struct etcd_mirror {
	struct config_etcd config;
	struct etcd_mirror_callbacks callbacks;
	struct mirror_prefix *prefixes;
	size_t n;
	int64_t last_id;

	uv_loop_t *loop;
	uv_timer_t work, ear;
	unsigned int open_handles;
	bool closing;

	struct etcd *etcd;        /* NULL: its files are to be read */
	const char *in_use;       /* the endpoint of the calls that run, of @etcd */
	struct etcd_call *page, *stream;
	uint64_t cluster_id;      /* 0 = none seen yet */
	int64_t revision;         /* the highest told */

	/* The list under way. */
	int64_t listing;          /* id of its prefix, 0 = none */
	int64_t at;               /* its revision, 0 before its first page */
	char *last;               /* key that came last, and a zero: where the next page begins */
	size_t last_len, last_size;
	int64_t limit;
	size_t page_keys, page_bytes;
	bool more;
	int64_t floor;            /* told before this page was asked for */

	/* To be done by on_work(). */
	bool broken;              /* the attempt has failed with @err */
	bool anew;                /* list everything again */
	bool fresh;               /* over new connections, with the files as they are now */
	bool reopen;              /* without what is not wanted any more */
	struct err err;

	bool waiting;             /* in a pause after a failure */
	bool paused;              /* the callee has enough */
	uint64_t heard_ms;
	struct backoff backoff, denied;
	size_t failures;          /* in a row */
};

struct mirror_prefix *mirror_find(struct etcd_mirror *m, int64_t id);
size_t mirror_index(const struct etcd_mirror *m, const struct mirror_prefix *p);
/* Something waits for `work`: at once, unless a pause is on. */
void mirror_kick(struct etcd_mirror *m);
/* This attempt has failed; the first reason counts. */
void mirror_fail(struct etcd_mirror *m, int code, const struct err *err);
void mirror_fail_denied(struct etcd_mirror *m, const struct mirror_prefix *p);
/* All of it, and nothing that was told before says anything about revisions. */
void mirror_list_anew(struct etcd_mirror *m);
/* @header is of another store than what was listed: true, and everything is to be listed again. */
bool mirror_is_other_store(struct etcd_mirror *m, const struct etcd_header *header);
/* What comes now is of calls that will be given up. */
bool mirror_is_idle(const struct etcd_mirror *m);
void mirror_hear(struct etcd_mirror *m);
/* Something that shows that all is well: the next failure is a first one. */
void mirror_hear_well(struct etcd_mirror *m);
void mirror_tell_alive(struct etcd_mirror *m);
void mirror_tell_current(struct etcd_mirror *m);

/* Begin the list of @p, or its next page. -ENOMEM. */
int mirror_start_list(struct etcd_mirror *m, const struct mirror_prefix *p);
int mirror_start_page(struct etcd_mirror *m, const struct mirror_prefix *p);
/* Watch what is listed and not watched yet. -ENOMEM. */
int mirror_start_watches(struct etcd_mirror *m);
void mirror_forget_watches(struct etcd_mirror *m);

#endif
