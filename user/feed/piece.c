/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The life of a piece. Not for: what is in it. */
#include "feed/piece.h"

#include <stddef.h>
#include <stdlib.h>

struct piece *piece_new(enum piece_kind kind)
{
	size_t size = sizeof(struct service_object);
	struct piece *piece;

	if (kind == PIECE_NODE)
		size = sizeof(struct node_object);
	else if (kind == PIECE_SLICE)
		size = sizeof(struct slice_object);
	else if (kind == PIECE_NOTHING)
		size = 0;
	piece = calloc(1, offsetof(struct piece, node) + size);
	if (piece)
		piece->kind = kind;
	return piece;
}

void piece_free(struct piece *chain)
{
	struct piece *next;

	for (; chain; chain = next) {
		next = chain->next;
		piece_drop(chain);
		free(chain->warning);
		free(chain);
	}
}

void piece_drop(struct piece *piece)
{
	if (piece->kind == PIECE_NODE)
		node_object_done(&piece->node);
	else if (piece->kind == PIECE_SLICE)
		slice_object_done(&piece->slice);
	else if (piece->kind != PIECE_NOTHING)
		service_object_done(&piece->service);
	piece->kind = PIECE_NOTHING;
}
