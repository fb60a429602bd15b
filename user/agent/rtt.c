/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reads, what came between two of them, and the weights that follow. */
#include "agent/rtt.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/nearset.h"
#include "core/defs.h"
#include "core/log.h"
#include "core/vec.h"
#include "model/latency.h"
#include "model/policy.h"

/* ---- what came between two reads ---------------------------------------------------------------- */

struct sum { uint16_t cluster; struct xm_hist handshakes, probes; };
struct sums { struct sum *v; size_t n; };

/* Few clusters: 250 are many. */
static int sum_of(struct sums *sums, uint16_t cluster, struct sum **ret_sum)
{
	for (size_t i = 0; i < sums->n; i++)
		if (sums->v[i].cluster == cluster) {
			*ret_sum = &sums->v[i];
			return 0;
		}
	if (vec_grow(&sums->v, sums->n, sizeof(*sums->v)))
		return -ENOMEM;
	sums->v[sums->n] = (struct sum){ .cluster = cluster };
	*ret_sum = &sums->v[sums->n++];
	return 0;
}

/* A counter that is smaller than before was begun anew. */
static uint64_t since(uint64_t now, uint64_t before)
{
	return now >= before ? now - before : now;
}

static int by_key(const struct xm_latency_key *a, const struct xm_latency_key *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->cluster != b->cluster)
		return a->cluster < b->cluster ? -1 : 1;
	return (a->service > b->service) - (a->service < b->service);
}

static int add_entries(const struct rtt_read *now, const struct rtt_read *before, struct sums *sums,
		       struct rtt_delta *delta)
{
	static const struct xm_latency none;
	size_t at = 0;

	for (size_t i = 0; i < now->n_entries; i++) {
		const struct latency_entry *e = &now->entries[i];
		const struct xm_latency *old = &none;
		struct rtt_service service = { .cluster = e->key.cluster, .service = e->key.service };
		struct xm_hist hist = e->value.hist;
		struct sum *sum;

		if (e->key.kind != XM_LATENCY_HANDSHAKE)
			continue;
		while (at < before->n_entries && by_key(&before->entries[at].key, &e->key) < 0)
			at++;
		if (at < before->n_entries && !by_key(&before->entries[at].key, &e->key))
			old = &before->entries[at].value;
		if (sum_of(sums, e->key.cluster, &sum))
			return -ENOMEM;
		hist_since(&hist, &old->hist);
		hist_add(&sum->handshakes, &hist);
		service.handshakes = since(e->value.syns, old->syns);
		service.wrong = since(e->value.syn_retries, old->syn_retries) +
				since(e->value.resets, old->resets) +
				since(e->value.timeouts, old->timeouts);
		if (!service.service || (!service.handshakes && !service.wrong))
			continue;
		if (vec_grow(&delta->services, delta->n_services, sizeof(*delta->services)))
			return -ENOMEM;
		delta->services[delta->n_services++] = service;
	}
	return 0;
}

static int add_probes(const struct rtt_read *now, const struct rtt_read *before, const uint16_t *clusters,
		      struct sums *sums)
{
	size_t at = 0;

	for (size_t i = 0; i < now->n_probes; i++) {
		const struct latency_probe *p = &now->probes[i];
		struct xm_hist hist = p->stat.hist;
		struct sum *sum;

		while (at < before->n_probes && before->probes[at].node < p->node)
			at++;
		if (at < before->n_probes && before->probes[at].node == p->node)
			hist_since(&hist, &before->probes[at].stat.hist);
		if (p->node > XM_MAX_NODES || !clusters[p->node])
			continue;
		if (sum_of(sums, clusters[p->node], &sum))
			return -ENOMEM;
		hist_add(&sum->probes, &hist);
	}
	return 0;
}

static int order_clusters(const void *va, const void *vb)
{
	const struct rtt_cluster *a = va, *b = vb;

	return (a->cluster > b->cluster) - (a->cluster < b->cluster);
}

int rtt_since(const struct rtt_read *now, const struct rtt_read *before, const uint16_t *clusters,
	      struct rtt_delta *ret_delta)
{
	struct rtt_delta delta = { 0 };
	struct sums sums = { 0 };
	int code = add_entries(now, before, &sums, &delta);

	if (!code)
		code = add_probes(now, before, clusters, &sums);
	delta.clusters = calloc(sums.n + 1, sizeof(*delta.clusters));
	if (!code && !delta.clusters)
		code = -ENOMEM;
	for (size_t i = 0; !code && i < sums.n; i++)
		delta.clusters[delta.n_clusters++] = (struct rtt_cluster){
			.cluster = sums.v[i].cluster,
			.handshake_ns = hist_quantile(&sums.v[i].handshakes, 500),
			.probe_ns = hist_quantile(&sums.v[i].probes, 500),
		};
	free(sums.v);
	if (code) {
		rtt_delta_done(&delta);
		return code;
	}
	qsort(delta.clusters, delta.n_clusters, sizeof(*delta.clusters), order_clusters);
	*ret_delta = delta;
	return 0;
}

void rtt_delta_done(struct rtt_delta *delta)
{
	free(delta->clusters);
	free(delta->services);
	*delta = (struct rtt_delta){ 0 };
}

/* ---- weights --------------------------------------------------------------------------------------- */

/* Handshakes of a nearest service with a cluster; sorted so. */
struct failures { char space[64], name[64]; uint16_t cluster; uint64_t handshakes, wrong; };

struct rtt {
	uv_timer_t timer;
	uv_work_t work;
	const struct plane *plane;
	struct balancer *balancer;
	void (*moved)(void *user);
	void *user;
	struct rtt_read before;
	bool has_before, reading, closing, closed;
	/* Of the read that runs. */
	struct rtt_read now;
	uint64_t now_s;
	uint16_t *clusters;             /* [XM_MAX_NODES + 1] */
	struct rtt_delta delta;
	struct failures *failures; size_t n_failures;
	int code;
	struct err err;
};

static int order_failures(const void *va, const void *vb)
{
	const struct failures *a = va, *b = vb;
	int diff = strcmp(a->space, b->space);

	if (!diff)
		diff = strcmp(a->name, b->name);
	return diff ? diff : (a->cluster > b->cluster) - (a->cluster < b->cluster);
}

static void read_done(struct rtt_read *read)
{
	free(read->entries);
	free(read->probes);
	*read = (struct rtt_read){ 0 };
}

static void forget(struct rtt *rtt)
{
	read_done(&rtt->before);
	rtt->has_before = false;
}

static struct nearest_measure measure_of(const struct rtt *rtt, const struct nearset_item *item,
					 uint16_t cluster, bool own)
{
	const struct rtt_cluster key = { .cluster = cluster };
	const struct rtt_cluster *c = bsearch(&key, rtt->delta.clusters, rtt->delta.n_clusters, sizeof(key),
					      order_clusters);
	struct nearest_measure m = { .cluster = cluster };
	struct failures what = { .cluster = cluster };
	const struct failures *f;

	if (c) {
		m.handshake_ns = c->handshake_ns;
		m.probe_ns = c->probe_ns;
	}
	if (own && !m.probe_ns)
		m.probe_ns = RTT_OWN_NS;
	memcpy(what.space, item->space, sizeof(what.space));
	memcpy(what.name, item->name, sizeof(what.name));
	f = rtt->n_failures ? bsearch(&what, rtt->failures, rtt->n_failures, sizeof(what), order_failures)
			    : NULL;
	if (f) {
		m.handshakes = f->handshakes;
		m.wrong = f->wrong;
	}
	return m;
}

static const char *cluster_name(const struct rtt *rtt, uint16_t id, struct xm_cluster *cluster)
{
	if (bpf_map_lookup_elem(rtt->plane->map_fd[PLANE_xm_clusters], &id, cluster))
		snprintf(cluster->name, sizeof(cluster->name), "%u", id);
	return cluster->name;
}

static void tell_grey(const struct rtt *rtt, const struct nearset_item *item, const struct nearest_cluster *before,
		      size_t n)
{
	const struct nearest *nearest = &item->nearest;

	for (size_t i = 0, k = 0; i < nearest->n; i++) {
		const struct nearest_cluster *c = &nearest->clusters[i];
		struct xm_cluster cluster;
		bool was;

		while (k < n && before[k].cluster < c->cluster)
			k++;
		was = k < n && before[k].cluster == c->cluster && before[k].grey;
		if (c->grey && !was)
			log_warn("service %s/%s: %llu of %llu handshakes with cluster %.63s went wrong: it is left, "
				 "but for %d %% of new connections", item->space, item->name,
				 (unsigned long long)c->wrong, (unsigned long long)c->handshakes,
				 cluster_name(rtt, c->cluster, &cluster), NEAREST_FLOOR);
		else if (!c->grey && was)
			log_info("service %s/%s: cluster %.63s is used again", item->space, item->name,
				 cluster_name(rtt, c->cluster, &cluster));
	}
}

/* The clusters that new connections of @service go to. */
static int update_item(struct rtt *rtt, struct nearset_item *item, const struct service *service, bool *moved)
{
	auto_free struct nearest_measure *measures = NULL;
	auto_free struct nearest_cluster *before = NULL;
	const uint16_t own = balancer_own_cluster(rtt->balancer);
	size_t n = 0, n_before = item->nearest.n;
	bool any;
	int code;

	for (size_t i = 0; i < service->n_backends; i++) {
		const struct service_backend *b = &service->backends[i];
		bool known = b->state != XM_BACKEND_ACTIVE || b->flags & XM_BACKEND_IS_NODE;

		for (size_t k = 0; !known && k < n; k++)
			known = measures[k].cluster == b->cluster;
		if (known)
			continue;
		if (vec_grow(&measures, n, sizeof(*measures)))
			return -ENOMEM;
		measures[n++] = measure_of(rtt, item, b->cluster, b->cluster == own);
	}
	before = malloc((n_before + 1) * sizeof(*before));
	if (!before)
		return -ENOMEM;
	if (n_before)
		memcpy(before, item->nearest.clusters, n_before * sizeof(*before));
	code = nearest_update(&item->nearest, measures, n, rtt->now_s, &any);
	if (code)
		return code;
	tell_grey(rtt, item, before, n_before);
	*moved |= any;
	return 0;
}

static int update(struct rtt *rtt, bool *moved)
{
	struct nearset *set = balancer_nearset(rtt->balancer);
	size_t n, at = 0;
	const struct service *const *services = services_list(balancer_services(rtt->balancer), &n);
	int code = nearset_follow(set, services, n);

	for (size_t i = 0; !code && i < n; i++)
		if (services[i]->nearest)
			code = update_item(rtt, &set->items[at++], services[i], moved);
	return code;
}

/* ---- reading --------------------------------------------------------------------------------------- */

static int name_failures(struct rtt *rtt)
{
	for (size_t i = 0; i < rtt->delta.n_services; i++) {
		const struct rtt_service *s = &rtt->delta.services[i];
		struct failures f = { .cluster = s->cluster, .handshakes = s->handshakes, .wrong = s->wrong };
		struct xm_service_name name;

		if (bpf_map_lookup_elem(rtt->plane->map_fd[PLANE_xm_service_names], &s->service, &name) ||
		    !policy_is_nearest(name.weights))
			continue;
		snprintf(f.space, sizeof(f.space), "%.63s", name.space);
		snprintf(f.name, sizeof(f.name), "%.63s", name.name);
		if (vec_grow(&rtt->failures, rtt->n_failures, sizeof(f)))
			return -ENOMEM;
		rtt->failures[rtt->n_failures++] = f;
	}
	if (rtt->n_failures)
		qsort(rtt->failures, rtt->n_failures, sizeof(*rtt->failures), order_failures);
	return 0;
}

static void read_on_worker(uv_work_t *work)
{
	struct rtt *rtt = work->data;

	rtt->code = latency_read(rtt->plane, &rtt->now.entries, &rtt->now.n_entries, &rtt->err);
	if (!rtt->code)
		rtt->code = latency_read_probes(rtt->plane, &rtt->now.probes, &rtt->now.n_probes, &rtt->err);
	if (!rtt->code && rtt->has_before)
		rtt->code = rtt_since(&rtt->now, &rtt->before, rtt->clusters, &rtt->delta);
	if (!rtt->code)
		rtt->code = name_failures(rtt);
	if (rtt->code == -ENOMEM)
		err_set(&rtt->err, rtt->code, "out of memory");
}

static void rtt_free(struct rtt *rtt)
{
	read_done(&rtt->before);
	read_done(&rtt->now);
	rtt_delta_done(&rtt->delta);
	free(rtt->failures);
	free(rtt->clusters);
	free(rtt);
}

static void on_read(uv_work_t *work, int status)
{
	struct rtt *rtt = work->data;
	bool moved = false;

	rtt->reading = false;
	if (rtt->closing) {
		if (rtt->closed)
			rtt_free(rtt);
		return;
	}
	if (!rtt->code && rtt->has_before && update(rtt, &moved))
		rtt->code = err_set(&rtt->err, -ENOMEM, "out of memory");
	if (rtt->code)
		log_warn("weights by round trips stay as they are: %s", rtt->err.text);
	rtt_delta_done(&rtt->delta);
	free(take(rtt->failures));
	rtt->n_failures = 0;
	read_done(&rtt->before);
	rtt->before = rtt->now;
	rtt->now = (struct rtt_read){ 0 };
	rtt->has_before = !rtt->code;
	if (moved)
		rtt->moved(rtt->user);
}

static bool any_nearest(const struct rtt *rtt)
{
	size_t n;
	const struct service *const *services = services_list(balancer_services(rtt->balancer), &n);

	for (size_t i = 0; i < n; i++)
		if (services[i]->nearest)
			return true;
	return false;
}

static void on_timer(uv_timer_t *timer)
{
	struct rtt *rtt = timer->data;

	if (rtt->reading)
		return;
	if (!any_nearest(rtt)) {
		forget(rtt);
		return;
	}
	balancer_node_clusters(rtt->balancer, rtt->clusters);
	rtt->now_s = uv_now(timer->loop) / 1000;
	rtt->reading = !uv_queue_work(timer->loop, &rtt->work, read_on_worker, on_read);
}

int rtt_new(uv_loop_t *loop, const struct plane *plane, struct balancer *balancer, void (*moved)(void *user),
	    void *user, struct rtt **ret_rtt)
{
	struct rtt *rtt = calloc(1, sizeof(*rtt));

	if (rtt)
		rtt->clusters = calloc(XM_MAX_NODES + 1, sizeof(*rtt->clusters));
	if (!rtt || !rtt->clusters) {
		free(rtt);
		return -ENOMEM;
	}
	rtt->plane = plane;
	rtt->balancer = balancer;
	rtt->moved = moved;
	rtt->user = user;
	rtt->work.data = rtt->timer.data = rtt;
	uv_timer_init(loop, &rtt->timer);
	uv_timer_start(&rtt->timer, on_timer, NEAREST_PERIOD_S * 1000, NEAREST_PERIOD_S * 1000);
	*ret_rtt = rtt;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct rtt *rtt = handle->data;

	rtt->closed = true;
	if (!rtt->reading)
		rtt_free(rtt);
}

void rtt_close(struct rtt *rtt)
{
	if (!rtt)
		return;
	rtt->closing = true;
	uv_close((uv_handle_t *)&rtt->timer, on_closed);
}

/* ---- for status --------------------------------------------------------------------------------------- */

static const char *name_of(const struct config *config, uint16_t id)
{
	for (size_t i = 0; i < config->n_peers; i++)
		if (config->peers[i].id == id)
			return config->peers[i].name;
	return config->own.id == id ? config->own.name : "?";
}

static json_object *cluster_json(const struct nearest_cluster *c, const struct config *config)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "cluster", json_object_new_string(name_of(config, c->cluster)));
	json_object_object_add(o, "id", json_object_new_int(c->cluster));
	json_object_object_add(o, "rtt_us", c->rtt_ns ? json_object_new_uint64((c->rtt_ns + 500) / 1000) : NULL);
	json_object_object_add(o, "of", !c->rtt_ns ? NULL :
			       json_object_new_string(c->by_probe ? "probe" : "handshake"));
	json_object_object_add(o, "handshakes", json_object_new_uint64(c->handshakes));
	json_object_object_add(o, "wrong", json_object_new_uint64(c->wrong));
	json_object_object_add(o, "grey", json_object_new_boolean(c->grey));
	json_object_object_add(o, "wanted", json_object_new_uint64(c->wanted));
	json_object_object_add(o, "weight", json_object_new_uint64(c->weight));
	return o;
}

json_object *rtt_json(const struct balancer *balancer, const struct config *config)
{
	const struct nearset *set = balancer_nearset((struct balancer *)balancer);
	json_object *list = json_object_new_array();

	for (size_t i = 0; i < set->n; i++) {
		const struct nearset_item *item = &set->items[i];
		json_object *o = json_object_new_object(), *clusters = json_object_new_array();
		char name[132];

		snprintf(name, sizeof(name), "%s/%s", item->space, item->name);
		for (size_t k = 0; k < item->nearest.n; k++)
			json_object_array_add(clusters, cluster_json(&item->nearest.clusters[k], config));
		json_object_object_add(o, "service", json_object_new_string(name));
		json_object_object_add(o, "clusters", clusters);
		json_object_array_add(list, o);
	}
	return list;
}
