/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One decoded object on its own, before Service, ServiceExport and ServiceImport of one name are put
 * together: what decoders yield and feed/store.h keeps.
 */
#ifndef XMESH_FEED_PIECE_H
#define XMESH_FEED_PIECE_H

#include "model/snapshot.h"

enum piece_kind { PIECE_NODE, PIECE_SERVICE, PIECE_SLICE, PIECE_EXPORT, PIECE_IMPORT };

/*
 * Allocated to the size of its kind. A service piece holds of service_object what the Service itself
 * says; an export or import piece its space, name, and what it adds.
 */
struct piece {
	struct piece *next;        /* of the same value */
	char *warning;             /* a sentence about it, NULL = none */
	uint8_t kind;              /* enum piece_kind */
	union {
		struct node_object node;
		struct slice_object slice;
		struct service_object service; /* also of an export or import */
	};
};

/* Zeroed, of @kind. NULL: no memory. */
struct piece *piece_new(enum piece_kind kind);
void piece_free(struct piece *chain); /* all of it, with what it owns */

#endif
