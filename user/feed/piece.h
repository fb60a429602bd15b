/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One decoded object on its own, before Service, ServiceExport and ServiceImport of one name are put
 * together: what decoders yield and feed/store.h keeps.
 */
#ifndef XMESH_FEED_PIECE_H
#define XMESH_FEED_PIECE_H

#include "model/snapshot.h"

enum piece_kind {
	PIECE_NODE,
	PIECE_SERVICE,
	PIECE_SLICE,
	PIECE_EXPORT,
	PIECE_IMPORT,
	PIECE_NOTHING, /* an object that is not used; counted as skipped, there for its warning */
	PIECE_KINDS,
};

/*
 * Allocated to the size of its kind. A service piece holds of service_object what the Service itself
 * says; an export or import piece its space, name, and what it adds.
 */
struct piece {
	struct piece *next;        /* of the same value */
	char *warning;             /* sentences about it, one a line; NULL = none */
	uint8_t kind;              /* enum piece_kind */
	uint8_t family;            /* of a slice: 4 or 6, for counts; 0 = that of its first endpoint */
	bool nowhere;              /* a service that has no backends (ExternalName): never global */
	union {
		struct node_object node;
		struct slice_object slice;
		struct service_object service; /* also of an export or import */
	};
};

/* Zeroed, of @kind. NULL: no memory. */
struct piece *piece_new(enum piece_kind kind);
void piece_free(struct piece *chain); /* all of it, with what it owns */
/* Only its warning is of use: PIECE_NOTHING from now on. */
void piece_drop(struct piece *piece);

#endif
