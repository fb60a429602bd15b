/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Inside of the store. Keys (store.c) hold parts; the parts of one node, or of one service (Service,
 * export, import, slices), make a group, which keeps what it came to until one of its parts changes
 * (store_group.c); a snapshot copies what groups hold (store_snapshot.c).
 */
#ifndef XMESH_FEED_STORE_PARTS_H
#define XMESH_FEED_STORE_PARTS_H

#include "feed/piece.h"
#include "feed/store.h"

/* A hash by chains; its items begin with a link. */
struct link {
	struct link *next;
	uint32_t hash;
};

struct table {
	struct link **buckets;
	size_t n, mask;
};

struct entry;
struct group;

/* What one key says of one node or service. A million of them: kept small. */
struct part {
	struct part *next;           /* of the same entry */
	struct part *before, *after; /* of the same kind in the group */
	struct group *group;         /* NULL: counted only, a slice of no service */
	struct entry *entry;
	uint8_t kind;                /* enum piece_kind */
	uint8_t family;              /* of a slice: 4 or 6 */
	bool named, nowhere;         /* named: of a slice */
	uint32_t n_ports, n_endpoints;
	union {
		struct service_object *service; /* of service, export, import */
		struct node_object *node;
		struct snapshot_block *block;   /* of a slice: feed/pack.h */
	};
	uint64_t digest;             /* of a slice */
};

struct note; /* a sentence about an entry */

struct entry {
	struct link link;
	uint32_t mark;          /* when it was put last */
	uint32_t key_len;
	uint64_t value_hash;    /* 0 = by pieces */
	struct part *parts;
	struct note *note;
	bool bad, skipped;      /* bad: its last value was refused */
	char key[];             /* NUL behind it */
};

struct note {
	struct note *before, *after;
	const struct entry *entry;
	char text[];            /* sentences, one a line */
};

struct group {
	struct link link;
	struct group *next_dirty;
	size_t place;           /* in store->nodes or store->services */
	bool is_node, dirty;
	bool counted, counted_global; /* in counts.services, counts.global_services */
	struct { struct part *first, *last; } lists[PIECE_NOTHING];
	size_t n_parts, n_slices;
	size_t n_extra;         /* parts that another key's overrules */
	uint64_t slices_sum;    /* of digests; of published ones if so */
	/* What it came to, packed. NULL: slices without a service. */
	union {
		struct service_object *service;
		struct node_object *node;
	};
	/* publishNotReadyAddresses: n_slices blocks as they count then, else NULL. */
	struct snapshot_block **published;
	const char *name;       /* behind the namespace */
	char space[];
};

struct group_list {
	struct group **groups;
	size_t n;
	bool sorted;
};

struct listing {
	struct listing *next;
	uint32_t mark;
	char prefix[];
};

struct store {
	store_decode_fn decode;
	void *decode_user;
	struct table entries, groups;
	struct group_list nodes, services;
	struct group *dirty;
	struct listing *listings;
	struct note *notes;
	size_t n_notes, n_unsaid; /* unsaid: bad ones above STORE_MAX_NOTES */
	size_t n_slices;        /* in groups */
	size_t n_extra;         /* of all groups */
	uint32_t mark;
	struct snapshot_counts counts;
};

#define STORE_MAX_NOTES 1000 /* sentences that are kept; the others are only counted */
#define STORE_MAX_WARNINGS 100 /* in a snapshot, then their number */

/* Its key for people: the end of a long one, and no control characters. Returns @buf. */
const char *entry_text(const struct entry *entry, char buf[XM_NAME_LEN]);

/* The part of @entry that @piece is; in its group, which is dirty. -ENOMEM, -ENOSPC. */
int part_new(struct store *store, struct entry *entry, struct piece *piece, struct part **ret_part);
void part_attach(struct store *store, struct part *part);
/* Out of its group, and freed. */
void part_free(struct store *store, struct part *part);
/* Work out what dirty groups came to. -ENOMEM. */
int groups_refresh(struct store *store);
void groups_sort(struct group_list *list);
void groups_free(struct store *store);

struct link *table_find(const struct table *table, uint32_t hash);
/* -ENOMEM */
int table_add(struct table *table, struct link *link);
void table_remove(struct table *table, struct link *link);

#endif
