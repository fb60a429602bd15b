/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A host without an agent: programs put on single interfaces and taken off again, by hand. Takes
 * the instance's lock for as long as it works, so it never fights an agent.
 */
#ifndef XMESH_AGENT_BARE_H
#define XMESH_AGENT_BARE_H

#include "agent/notes.h"
#include "core/err.h"
#include "model/config.h"
#include "plane/attach.h"

/*
 * Load the plane where it is missing, write xm_config where nobody did, make the device for an
 * underlay interface, learn the pods behind a pod interface, attach. Changes @config: without an
 * underlay, @ifname becomes it. -ENODEV: no such interface. -EALREADY: an agent runs. @notes: what
 * was left out.
 */
int bare_attach(struct config *config, const char *ifname, enum attach_role role,
		enum config_xdp xdp,
		struct notes *notes, struct err *err);
/* Programs off @ifname, and its learned pods out of the tables. 0 also when nothing was there. */
int bare_detach(const struct config *config, const char *ifname, struct err *err);
/* Programs off every interface; with @purge routes, device, pins, lock and socket as well. */
int bare_detach_all(const struct config *config, bool purge, struct err *err);

#endif
