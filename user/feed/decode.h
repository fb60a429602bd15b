/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kubernetes objects out of document trees: Node decoded, Service, EndpointSlice, ServiceExport and
 * ServiceImport checked and counted, List unfolded, other kinds counted as skipped. Shared by all
 * transports.
 */
#ifndef XMESH_FEED_DECODE_H
#define XMESH_FEED_DECODE_H

#include "core/doc.h"
#include "core/err.h"
#include "model/snapshot.h"

struct decoder; /* collects objects of one snapshot */

int decoder_new(struct decoder **ret_decoder);
void decoder_free(struct decoder *decoder);
/*
 * Add every object of @set. @file is for sentences. -EINVAL: a document that is no Kubernetes
 * object (no kind), a Node without a name or with a bad CIDR, address or annotation, a name twice:
 * "FILE:LINE: Node west-1: ...". Host bits in a CIDR, more than SNAPSHOT_MAX_CIDRS are errors too.
 * -ENOSPC, -ENOMEM. After a failure the decoder is good for decoder_free() only.
 */
int decoder_add(struct decoder *decoder, const struct doc_set *set, const char *file,
		struct err *err);
/* A sentence for the snapshot's warnings. -ENOMEM. */
int decoder_warn(struct decoder *decoder, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The snapshot so far; the decoder is empty afterwards. @revision is copied. */
int decoder_take(struct decoder *decoder, const char *revision, struct snapshot **ret_snapshot);

#endif
