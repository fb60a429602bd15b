/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Releases what model/service_tables.h describes. */
#include "model/service_tables.h"

#include <stdlib.h>

void service_tables_free(struct service_tables *tables)
{
	if (!tables)
		return;
	for (size_t i = 0; i < tables->n_services; i++) {
		free(tables->services[i].frontends);
		free(tables->services[i].backends);
	}
	free(tables->services);
	free(tables);
}
