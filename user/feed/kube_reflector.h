/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One resource of a Kubernetes API server, listed and watched for ever: a WatchList where the server
 * knows it, else a list in pages and a watch. From the last resourceVersion when a connection was lost,
 * from the list again when the server has forgotten that one. Pauses with jitter. Not for: what the
 * objects mean.
 */
#ifndef XMESH_FEED_KUBE_REFLECTOR_H
#define XMESH_FEED_KUBE_REFLECTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "core/err.h"
#include "feed/kube_resource.h"
#include "feed/kube_stream.h"

struct kube_reflector;

struct kube_reflector_callbacks {
	/* A list of all objects begins; what put() does not name until listed() is gone. */
	void (*list)(void *user);
	/* False: pause until kube_reflector_resume(). @seen_ns 0 in a list. */
	bool (*put)(void *user, const struct kube_event *event, uint64_t seen_ns);
	bool (*erase)(void *user, const struct kube_event *event, uint64_t seen_ns);
	void (*listed)(void *user);
	/* The list that was begun is given up; another will begin. */
	void (*aborted)(void *user);
	/*
	 * All up to @version is told: at the end of a list, after each change, and when the server says that
	 * nothing changed. @version "": the resource is absent there, and that is fine.
	 */
	void (*current)(void *user, const char *version);
	/* This attempt failed; the next is on its way. current() ends it. */
	void (*error)(void *user, const struct err *err);
	/* Once: what a kubeconfig allows but is dangerous. */
	void (*warn)(void *user, const char *sentence);
	void *user;
};

struct kube_reflector_setup {
	uv_loop_t *loop;
	const struct kube_resource *resource;
	const char *kubeconfig, *context; /* as in feed/kube_client.h; copied */
	struct kube_reflector_callbacks callbacks;
	/* 0 = the usual ones. Without a word for so long: from a watch; before the end of a WatchList. */
	uint64_t silence_ms, initial_ms;
	uint64_t first_pause_ms, max_pause_ms;
};

/* No callback before this returns. -ENOMEM. */
int kube_reflector_new(const struct kube_reflector_setup *setup,
		       struct kube_reflector **ret_reflector);
void kube_reflector_resume(struct kube_reflector *reflector);
/* The server is well again, as another one found: a pause is cut short, unless the server asked for it. */
void kube_reflector_hurry(struct kube_reflector *reflector);
/* List again, now. */
void kube_reflector_poke(struct kube_reflector *reflector);
/* No callback afterwards; memory goes on the loop. NULL is fine. */
void kube_reflector_close(struct kube_reflector *reflector);

#endif
