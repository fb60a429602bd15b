/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Global services as the maps hold them: for `xmesh service`, and for a start whose feed does not
 * answer (model/recover.h). Pure data; plane/balance.h reads it.
 */
#ifndef XMESH_MODEL_SERVICE_TABLES_H
#define XMESH_MODEL_SERVICE_TABLES_H

#include <stddef.h>
#include <stdint.h>

#include "xmesh/service.h"

struct service_frontend_entry {
	struct xm_service_key key;
	struct xm_service service;
	uint32_t port_name;      /* of the backends in its slice; 0 = not known (empty, node targets) */
};

struct service_backend_entry {
	uint32_t number;
	struct xm_backend backend;
};

struct service_entry {
	uint32_t number;
	struct xm_service_name name;
	struct service_frontend_entry *frontends; size_t n_frontends; /* sorted by scope, cluster, addr, port, proto */
	struct service_backend_entry *backends;   size_t n_backends;  /* sorted by number; nodes and GONE included */
};

struct service_tables {
	struct service_entry *services; size_t n_services; /* sorted by (space, name) */
	size_t slots_used;       /* of XM_MAGLEV_SLOTS */
	size_t backends_used;    /* of XM_MAX_BACKENDS */
	size_t frontends_used;   /* of XM_MAX_FRONTENDS */
};

void service_tables_free(struct service_tables *tables);

#endif
