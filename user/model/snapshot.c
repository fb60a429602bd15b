/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The life of a snapshot. Not for: filling one, which feed/decode.c and model/recover.c do. */
#include "model/snapshot.h"

#include <stdlib.h>

void snapshot_free(struct snapshot *snapshot)
{
	if (!snapshot)
		return;
	for (size_t i = 0; i < snapshot->n_nodes; i++)
		free(snapshot->nodes[i].cidrs);
	free(snapshot->nodes);
	for (size_t i = 0; i < snapshot->n_warnings; i++)
		free(snapshot->warnings[i]);
	free(snapshot->warnings);
	free(snapshot);
}
