/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Inside of model/recover*.c: the services part of a recovered snapshot. */
#ifndef XMESH_MODEL_RECOVER_SERVICES_H
#define XMESH_MODEL_RECOVER_SERVICES_H

#include "model/recover.h"

/* Fill services and slices of @snapshot with what @tables have of @cluster. -ENOMEM. */
int recover_services(const struct wanted *actual, const struct service_tables *tables,
		     uint16_t cluster, bool own, struct snapshot *snapshot);

#endif
