/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Words for what is in the maps of global services, shared by `service`, `flow` and `map dump`. */
#ifndef XMESH_CLI_SERVICEVIEW_H
#define XMESH_CLI_SERVICEVIEW_H

#include "cli/view.h"
#include "xmesh/flow.h"
#include "xmesh/service.h"

/* ADDRESS:PORT, [ADDRESS]:PORT; the port in network order, 0 is left out. */
#define SERVICEVIEW_ENDPOINT_MAX 56
const char *serviceview_endpoint(const struct xm_addr *addr, uint16_t port_be,
				 char buf[SERVICEVIEW_ENDPOINT_MAX]);
/* "tcp", "udp", "sctp", or the number. */
const char *serviceview_proto(uint8_t proto, char buf[8]);
/* "client", "edge", "node"; "?" beyond the enum, as pinned state is input. */
const char *serviceview_scope(uint8_t scope);
const char *serviceview_kind(uint8_t kind);
const char *serviceview_state(uint8_t state);
const char *serviceview_why(uint8_t why);
const char *serviceview_flow_kind(uint8_t kind);
/* "new", "established", "half_closed", "closed". */
const char *serviceview_flow_state(const struct xm_flow_key *key, const struct xm_flow *flow);

#endif
