/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Base64 (RFC 4648) as kubeconfigs hold certificates, and as HTTP's Basic wants a password. Pure. */
#ifndef XMESH_FEED_KUBE_BASE64_H
#define XMESH_FEED_KUBE_BASE64_H

#include <stddef.h>

/* White space is passed over, padding may lack. -EINVAL, -ENOMEM. *ret_data is NUL-terminated. */
int kube_base64_decode(const char *text, size_t len, char **ret_data, size_t *ret_len);
int kube_base64_encode(const char *data, size_t len, char **ret_text); /* -ENOMEM */

#endif
