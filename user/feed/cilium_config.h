/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The configuration of an etcd client as Cilium keeps one for each peer in
 * /var/lib/cilium/clustermesh/NAME: YAML with endpoints and TLS files. The file is often one of a
 * mounted Secret, so it changes by a symlink. Not for: the TLS files themselves (etcd_rpc.h).
 */
#ifndef XMESH_FEED_CILIUM_CONFIG_H
#define XMESH_FEED_CILIUM_CONFIG_H

#include "model/config.h"

#define CILIUM_MAX_FILE (64u * 1024)

/*
 * Keys: endpoints, trusted-ca-file, cert-file, key-file, username, and others that etcd's clients know,
 * which are left alone. Relative names are meant from the file's folder. -EINVAL names key and file;
 * errors of file_read(). The caller owns *ret_config: cilium_config_free().
 */
int cilium_config_read(const char *path, struct config_etcd **ret_config, struct err *err);
void cilium_config_free(struct config_etcd *config);

/*
 * Changes when the file or one that it names was written or replaced, wherever symlinks lead: sizes,
 * times and inodes in one word. 0: it is not there.
 */
uint64_t cilium_config_stamp(const char *path, const struct config_etcd *config);

#endif
