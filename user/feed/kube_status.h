/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a Kubernetes API server says when it refuses: a Status object, or a line of text. Pure. */
#ifndef XMESH_FEED_KUBE_STATUS_H
#define XMESH_FEED_KUBE_STATUS_H

#include <stddef.h>

#include "core/err.h"

#define KUBE_MAX_STATUS (64u * 1024)

struct kube_status {
	int code;                   /* 0 = it does not say */
	unsigned int retry_after_s; /* 0 = it does not say; at most 300 */
	char reason[64];            /* "Expired", "Forbidden", "" */
	char message[400];          /* printable, one line; "" = none */
};

/* Whatever @text is; the server's words are cleaned of what is no plain text. */
void kube_status_read(const char *text, size_t len, struct kube_status *ret_status);
/*
 * What HTTP @status of @server for @resource means and what to do. Returns -EACCES, -ENOENT, -EBUSY or
 * -EPROTO.
 */
int kube_status_sentence(const struct kube_status *said, int status, const char *server,
			 const char *resource, struct err *err);
/* The header Retry-After in seconds, out of a header line; 0 = another one, or a date. */
unsigned int kube_status_retry_after(const char *line, size_t len);

#endif
