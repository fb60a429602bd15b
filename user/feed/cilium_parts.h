/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the decoders of Cilium's values share. Not for: anyone but cilium_*.c. */
#ifndef XMESH_FEED_CILIUM_PARTS_H
#define XMESH_FEED_CILIUM_PARTS_H

#include "core/doc.h"
#include "feed/cilium_decode.h"

/* @rest: behind the prefix of the key. Each gives a chain of pieces. -EINVAL, -ENOMEM. */
int cilium_service(const struct cilium_reader *reader, const char *rest, const struct doc *doc,
		   struct piece **ret_pieces, struct err *err);
int cilium_export(const struct cilium_reader *reader, const char *rest, const struct doc *doc,
		  struct piece **ret_pieces, struct err *err);
int cilium_slice(const struct cilium_reader *reader, const char *rest, const void *value, size_t len,
		 struct piece **ret_pieces, struct err *err);

/* Is it our peer's, and is @rest "NAMESPACE/NAME" as the value says? -EINVAL. */
int cilium_names(const struct cilium_reader *reader, const char *rest, const char *cluster,
		 const char *space, const char *name, struct err *err);
/* "TCP", "UDP", "SCTP"; *ret_proto 0: "ANY", of which nobody serves a port. -EINVAL. */
int cilium_proto(const char *text, uint8_t *ret_proto, struct err *err);
/* An address that a pod or service can bear, without a zone. -EINVAL names @what. */
int cilium_addr(const char *text, const char *what, struct xm_addr *ret_addr, struct err *err);
/* A port called @name, "" or NULL = it has none, appended. -EINVAL: too many, -ENOMEM. */
int cilium_add_port(struct port_object **ports, size_t *n, const char *name, uint8_t proto,
		    int64_t port, struct err *err);

#endif
