/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The mesh as it is pinned, and as a proposed feed would make it. */
#include "cli/proposal.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "cli/feeddiff.h"
#include "core/defs.h"
#include "model/recover.h"

static bool same_path(const char *a, const char *b)
{
	auto_free char *x = realpath(a, NULL), *y = realpath(b, NULL);

	return x && y && !strcmp(x, y);
}

static const struct config_cluster *cluster_at(const struct config *config, size_t i)
{
	return i ? &config->peers[i - 1] : &config->own;
}

static bool has_dir(const struct config_cluster *cluster, const char *path)
{
	for (size_t i = 0; i < cluster->n_sources; i++)
		if (cluster->sources[i].dir && same_path(path, cluster->sources[i].dir))
			return true;
	return false;
}

uint16_t proposal_cluster(const struct view *view, const char *path, const char *name,
			  const struct snapshot *snapshot, const char *hint)
{
	uint16_t id;

	for (size_t i = 0; i <= view->config->n_peers; i++) {
		const struct config_cluster *c = cluster_at(view->config, i);

		if (name ? !strcmp(name, c->name) : has_dir(c, path))
			return c->id;
	}
	for (size_t i = 0; name && i < view->actual->n_clusters; i++)
		if (!strcmp(view->actual->clusters[i].cluster.name, name))
			return view->actual->clusters[i].id;
	id = name ? 0 : feeddiff_guess(view->actual, snapshot);
	if (name)
		cli_fail(CLI_NONE, "there is no cluster %s", name);
	else if (!id)
		cli_fail(CLI_NONE, "%s: no cluster has this feed or these nodes: %s", path, hint);
	return id;
}

void proposal_done(struct proposal *p)
{
	mesh_free(p->before);
	mesh_free(p->after);
	for (size_t i = 0; p->recovered && i < p->n; i++)
		snapshot_free(p->recovered[i]);
	free(p->recovered);
}

int proposal_make(const struct view *view, const struct service_tables *tables, uint16_t id,
		  const struct snapshot *snapshot, const char *path, struct proposal *p, struct err *err)
{
	auto_free const struct snapshot **set = NULL;
	auto_free const char **origins = NULL;
	struct err ignored;
	size_t at = 0;
	int code;

	p->n = view->config->n_peers + 1;
	p->recovered = calloc(p->n, sizeof(*p->recovered));
	set = calloc(p->n, sizeof(*set));
	origins = calloc(p->n, sizeof(*origins));
	if (!p->recovered || !set || !origins)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < p->n; i++) {
		const struct config_cluster *c = cluster_at(view->config, i);
		const struct xm_cluster *pinned = view_cluster(view, c->id);

		origins[i] = pinned ? pinned->origin : "no feed";
		code = recover_snapshot(view->actual, tables, c->id, i == 0, &p->recovered[i]);
		if (code == -ENOMEM)
			return err_set(err, code, "out of memory");
		set[i] = p->recovered[i];
		if (c->id == id)
			at = i;
	}
	/* What is pinned was accepted once; if it is not now, there is nothing to compare with. */
	if (mesh_new(view->config, set, origins, &p->before, &ignored))
		p->before = NULL;
	set[at] = snapshot;
	origins[at] = path;
	return mesh_new(view->config, set, origins, &p->after, err);
}
