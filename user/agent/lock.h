/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * <run_dir>/<instance>.lock: one writer per instance. The kernel drops the lock with its holder,
 * so a file left behind by a dead agent excludes nobody.
 */
#ifndef XMESH_AGENT_LOCK_H
#define XMESH_AGENT_LOCK_H

#include <sys/types.h>

#include "core/err.h"
#include "model/config.h"

/*
 * Make run_dir if it is missing, take the lock and write our pid. -EALREADY: held, the sentence
 * names the holder's pid. -EACCES and other errors of open(2). Closing *ret_fd releases it.
 */
int lock_take(const struct config *config, int *ret_fd, struct err *err);
/* The same of <instance>.monitor: one reader of xm_events. */
int lock_take_events(const struct config *config, int *ret_fd, struct err *err);
/* The pid of the holder, 0 when nobody holds it. Changes nothing. */
pid_t lock_holder(const struct config *config);
/*
 * Remove lock files and control socket of an instance whose lock the caller holds. run_dir may be
 * somebody else's and stays.
 */
void lock_remove(const struct config *config);
/* "<run_dir>/<instance>.sock", malloc'ed. */
char *lock_socket_path(const struct config *config);

#endif
