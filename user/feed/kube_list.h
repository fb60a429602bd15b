/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A List, or one page of it, cut into its items as its bytes come in: at most one item is held.
 * Pure. Not for: asking for the next page (feed/kube_reflector.h).
 */
#ifndef XMESH_FEED_KUBE_LIST_H
#define XMESH_FEED_KUBE_LIST_H

#include "feed/kube_stream.h"

#define KUBE_MAX_ENVELOPE (64u * 1024) /* all but the items */

struct kube_list {
	struct kube_text item, envelope;
	struct kube_depth depth;
	bool in_items, began, over;
	char *prefix; /* "{"kind":...,"apiVersion":...," for items that do not say what they are */
	kube_event_fn each;
	void *user;
};

/* Items come as KUBE_ADDED events, with @kind and @api_version put in where they lack. -ENOMEM. */
int kube_list_init(struct kube_list *list, const char *kind, const char *api_version,
		   kube_event_fn each, void *user);
void kube_list_done(struct kube_list *list);
/* -EPROTO: no List. -ENOMEM. */
int kube_list_push(struct kube_list *list, const char *data, size_t len, struct err *err);
/*
 * All bytes are in. @ret_version, @ret_continue ("" = this was the last page) are the caller's to
 * free(). -EPROTO: cut short, or no List. -ENOMEM.
 */
int kube_list_end(struct kube_list *list, char **ret_version, char **ret_continue,
		  struct err *err);

#endif
