/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions out, answers from the map. A timer for each node: it asks, looks 400 ms later whether the
 * program took the answer, and sleeps until the next question. Nobody reads the sockets: answers come
 * to the tunnel's port, and end in the kernel. Round trips are from the kernel's stamp of the question
 * (agent/stamp.h) to the program's of the answer: when the agent runs has no part in them.
 */
#include "agent/prober.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "agent/stamp.h"
#include "core/addr.h"
#include "core/defs.h"
#include "core/log.h"
#include "model/latency.h"
#include "model/liveness.h"
#include "plane/latency.h"
#include "xmesh/probe.h"
#include "xmesh/wire.h"

#define PROBES_SIZE (XM_MAX_NODES * sizeof(struct xm_probe))
#define JITTER_PERCENT 5
#define PORT_TRIES 64
/* In place of a nonce when there was none to be had; never one. */
#define NOT_ASKED 1
/* What an agent before us measured of nodes that are not asked again by then is removed. */
#define ADOPT_MS 120000

struct question {
	struct xm_vxlan vxlan;
	struct ether_header eth;
	struct xm_probe_packet probe;
} __attribute__((packed));

struct node {
	uv_timer_t timer;
	struct prober *prober; /* valid until the timer is closed */
	struct prober_node node;
	struct liveness liveness;
	uint64_t nonce;        /* of the question that is out, 0 = none */
	uint64_t stamp_ns;     /* when the kernel sent it, 0 = not known */
	struct xm_probe_stat stat;
};

struct prober {
	uv_loop_t *loop;
	void (*changed)(void *user, uint32_t number, enum node_health health);
	void *user;
	const struct plane *plane;
	struct xm_probe *probes; /* of XM_MAX_NODES, mapped */
	struct prober_config config;
	int fd4, fd6;
	struct node **nodes;     /* sorted by number; each lives apart, its timer holds its address */
	size_t n;
	struct latency_probe *adopted; size_t n_adopted; /* as found pinned, until ADOPT_MS are over */
	uint64_t since_ms;
	bool write_failed;
};

static void on_node_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static uint64_t interval_ms(const struct prober *prober)
{
	return MAX(LIVENESS_INTERVAL_MS, prober->n * 1000ull / PROBER_MAX_PER_S);
}

static uint32_t random_below(uint32_t n)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)uv_hrtime();
	return r % n;
}

/* When the kernel sent it, 0 = not known. */
static uint64_t send_question(const struct node *node, uint64_t nonce, uint64_t sent_ns)
{
	const struct prober *prober = node->prober;
	const struct xm_addr *to = &node->node.outer;
	struct question q = {
		.vxlan = { .flags = htonl(XM_VXLAN_FLAG_I), .vni = htonl(prober->config.vni << 8) },
		.eth.ether_type = htons(XM_ETH_PROBE),
		.probe = { .magic = htonl(XM_PROBE_MAGIC), .version = 1, .type = XM_PROBE_ASK,
			   .nonce = nonce, .sent_ns = sent_ns },
	};
	struct sockaddr_in to4 = { .sin_family = AF_INET, .sin_port = htons(prober->config.port),
				   .sin_addr.s_addr = to->w[3] };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(prober->config.port) };

	int fd = xm_addr_is_v4(to) ? prober->fd4 : prober->fd6;
	struct stamp stamp;

	if (fd < 0)
		return 0;
	memcpy(q.eth.ether_dhost, node->node.vtep_mac, 6);
	memcpy(q.eth.ether_shost, prober->config.vtep_mac, 6);
	memcpy(&to6.sin6_addr, to, 16);
	stamp_begin(fd, &stamp);
	/* What cannot be sent is not answered: lost, like what vanishes on the way. */
	if (xm_addr_is_v4(to))
		sendto(fd, &q, sizeof(q), MSG_DONTWAIT | MSG_NOSIGNAL, (void *)&to4, sizeof(to4));
	else
		sendto(fd, &q, sizeof(q), MSG_DONTWAIT | MSG_NOSIGNAL, (void *)&to6, sizeof(to6));
	return stamp_end(fd, &stamp);
}

static void write_stat(struct prober *prober, uint32_t number, const struct xm_probe_stat *stat)
{
	struct err err = { 0 };

	if (latency_write_probe(prober->plane, number, stat, &err) && !prober->write_failed) {
		prober->write_failed = true;
		log_warn("round trips of probes are not shown: %s", err.text);
	}
}

/* One question more: measured, answered without a time, or lost. */
static void record(struct node *node, const struct xm_probe *probe, bool answered)
{
	/* Both by our clock; what sent_ns is stands in the question, rtt_ns counts from there. */
	uint64_t received_ns = probe->sent_ns + probe->rtt_ns;

	node->stat.asked++;
	if (!answered)
		node->stat.lost++;
	else if (!node->stamp_ns || received_ns < node->stamp_ns)
		node->stat.unmeasured++;
	else
		hist_record(&node->stat.hist, received_ns - node->stamp_ns);
	write_stat(node->prober, node->node.number, &node->stat);
}

static void on_ask(uv_timer_t *timer);

static void on_look(uv_timer_t *timer)
{
	struct node *node = timer->data;
	struct prober *prober = node->prober;
	const struct xm_probe *probe = &prober->probes[node->node.number];
	uint64_t rest_ms = interval_ms(prober), since_ms;
	bool answered = __atomic_load_n(&probe->answered, __ATOMIC_ACQUIRE) == node->nonce;
	int64_t jitter_ms = (int64_t)(rest_ms * JITTER_PERCENT / 100);

	rest_ms += random_below((uint32_t)(2 * jitter_ms + 1)) - jitter_ms;
	since_ms = (uv_hrtime() - probe->sent_ns) / 1000000;
	if (node->nonce != NOT_ASKED)
		record(node, probe, answered);
	node->nonce = 0;
	uv_timer_start(timer, on_ask, since_ms < rest_ms ? rest_ms - since_ms : 0, 0);
	if (liveness_result(&node->liveness, answered))
		prober->changed(prober->user, node->node.number, node->liveness.health);
}

static void on_ask(uv_timer_t *timer)
{
	struct node *node = timer->data;
	struct prober *prober = node->prober;
	struct xm_probe *probe = &prober->probes[node->node.number];
	uint64_t nonce = 0, now_ns = uv_hrtime();

	/* The loop's own clock may be behind after a long turn, and the answer needs its time. */
	uv_update_time(prober->loop);
	uv_timer_start(timer, on_look, LIVENESS_TIMEOUT_MS, 0);
	if (getrandom(&nonce, sizeof(nonce), GRND_NONBLOCK) != sizeof(nonce) || nonce <= NOT_ASKED) {
		node->nonce = NOT_ASKED;
		return;
	}
	node->nonce = nonce;
	probe->sent_ns = now_ns;
	__atomic_store_n(&probe->nonce, nonce, __ATOMIC_RELEASE);
	node->stamp_ns = send_question(node, nonce, now_ns);
}

int prober_new(uv_loop_t *loop, const struct plane *plane,
	       void (*changed)(void *user, uint32_t number, enum node_health health), void *user,
	       struct prober **ret_prober, struct err *err)
{
	struct prober *prober = calloc(1, sizeof(*prober));
	void *probes;
	int code;

	if (!prober)
		return err_set(err, -ENOMEM, "out of memory");
	code = latency_read_probes(plane, &prober->adopted, &prober->n_adopted, err);
	if (code) {
		free(prober);
		return code;
	}
	probes = mmap(NULL, PROBES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      plane->map_fd[PLANE_xm_probes], 0);
	if (probes == MAP_FAILED) {
		code = err_set(err, -errno, "cannot map xm_probes: %s", strerror(errno));
		free(prober->adopted);
		free(prober);
		return code;
	}
	prober->loop = loop;
	prober->changed = changed;
	prober->user = user;
	prober->plane = plane;
	prober->since_ms = uv_now(loop);
	prober->probes = probes;
	prober->fd4 = prober->fd6 = -1;
	*ret_prober = prober;
	return 0;
}

void prober_close(struct prober *prober)
{
	if (!prober)
		return;
	for (size_t i = 0; i < prober->n; i++)
		uv_close((uv_handle_t *)&prober->nodes[i]->timer, on_node_closed);
	free(prober->nodes);
	defs_close(&prober->fd4);
	defs_close(&prober->fd6);
	munmap(prober->probes, PROBES_SIZE);
	free(prober->adopted);
	free(prober);
}

static int bind_to(int fd, const struct xm_addr *addr)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_addr.s_addr = addr->w[3] };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6 };

	memcpy(&a6.sin6_addr, addr, 16);
	for (int i = 0; i < PORT_TRIES; i++) {
		uint16_t port = XM_SOURCE_PORT_MIN + random_below(XM_SOURCE_PORT_MAX - XM_SOURCE_PORT_MIN + 1);

		a4.sin_port = a6.sin6_port = htons(port);
		if (!(xm_addr_is_v4(addr) ? bind(fd, (void *)&a4, sizeof(a4)) : bind(fd, (void *)&a6, sizeof(a6))))
			return 0;
		if (errno != EADDRINUSE)
			break;
	}
	return -errno;
}

/* A socket that sends from @addr as the tunnel does, and takes nothing. */
static int open_socket(const struct xm_addr *addr, int *ret_fd, struct err *err)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { .len = 1, .filter = &nothing };
	int family = xm_addr_is_v4(addr) ? AF_INET : AF_INET6;
	int v4 = IP_PMTUDISC_DONT, v6 = IPV6_PMTUDISC_DONT, one = 1, code;
	auto_close int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char text[ADDR_TEXT_MAX];

	if (fd < 0)
		return err_set(err, -errno, "no socket for probes: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
	/* Refused: its questions are unmeasured. */
	stamp_enable(fd);
	if (family == AF_INET) {
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4, sizeof(v4));
	} else {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6, sizeof(v6));
	}
	code = bind_to(fd, addr);
	if (code) {
		addr_format(addr, text);
		return err_set(err, code, "probes cannot be sent from %s: %s", text, strerror(-code));
	}
	*ret_fd = take_fd(fd);
	return 0;
}

static int reopen(int *fd, const struct xm_addr *old, const struct xm_addr *new, struct err *err)
{
	if (*fd >= 0 && xm_addr_eq(old, new))
		return 0;
	if (*fd >= 0)
		close(take_fd(*fd));
	return xm_addr_is_zero(new) ? 0 : open_socket(new, fd, err);
}

static struct node *find(const struct prober *prober, uint32_t number)
{
	size_t lo = 0, hi = prober->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (prober->nodes[mid]->node.number == number)
			return prober->nodes[mid];
		if (prober->nodes[mid]->node.number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = (*(struct node *const *)a)->node.number, y = (*(struct node *const *)b)->node.number;

	return x < y ? -1 : x > y;
}

/* Nothing is known of the node of this number any more. */
static void wipe(struct prober *prober, uint32_t number)
{
	prober->probes[number] = (struct xm_probe){ 0 };
	write_stat(prober, number, NULL);
}

static void forget(struct prober *prober, struct node *node)
{
	wipe(prober, node->node.number);
	uv_close((uv_handle_t *)&node->timer, on_node_closed);
}

static int by_probe(const void *a, const void *b)
{
	uint32_t x = ((const struct latency_probe *)a)->node, y = ((const struct latency_probe *)b)->node;

	return x < y ? -1 : x > y;
}

/* What an agent before us measured of a node goes to it once. */
static void adopt(struct prober *prober, struct node *node)
{
	struct latency_probe key = { .node = node->node.number };
	struct latency_probe *found = prober->n_adopted ? bsearch(&key, prober->adopted, prober->n_adopted,
								  sizeof(key), by_probe) : NULL;

	if (!found)
		return;
	node->stat = found->stat;
	found->stat = (struct xm_probe_stat){ 0 };
}

/* Nodes that carry traffic come into the list by and by; after some time the rest is gone for good. */
static void end_adoption(struct prober *prober)
{
	if (!prober->adopted || uv_now(prober->loop) - prober->since_ms < ADOPT_MS)
		return;
	for (size_t i = 0; i < prober->n_adopted; i++)
		if (!find(prober, prober->adopted[i].node))
			write_stat(prober, prober->adopted[i].node, NULL);
	free(take(prober->adopted));
	prober->n_adopted = 0;
}

static struct node *make(struct prober *prober, const struct prober_node *as)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->prober = prober;
	node->node = *as;
	node->liveness.health = as->first;
	/* It answered an agent before us: not one that cannot. */
	if (as->first == NODE_UNKNOWN && prober->probes[as->number].answers)
		node->liveness.health = NODE_UP;
	uv_timer_init(prober->loop, &node->timer);
	node->timer.data = node;
	adopt(prober, node);
	return node;
}

int prober_set(struct prober *prober, const struct prober_config *config, const struct prober_node *nodes,
	       size_t n, struct err *err)
{
	auto_free struct node **v = calloc(n + 1, sizeof(*v));
	size_t n_v = 0, n_new = 0, k = 0;
	int code4, code6;

	if (!v)
		return err_set(err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		struct node *old = find(prober, nodes[i].number);

		if (nodes[i].number >= XM_MAX_NODES || xm_addr_is_zero(&nodes[i].outer))
			continue;
		/* Another node under the number of an old one starts as a stranger. */
		if (old && xm_addr_eq(&old->node.outer, &nodes[i].outer)) {
			memcpy(old->node.vtep_mac, nodes[i].vtep_mac, sizeof(old->node.vtep_mac));
			v[n_v++] = old;
			continue;
		}
		if (old)
			wipe(prober, nodes[i].number);
		v[n_v] = make(prober, &nodes[i]);
		if (!v[n_v]) {
			for (size_t j = 0; j < n_v; j++)
				if (v[j] != find(prober, v[j]->node.number))
					uv_close((uv_handle_t *)&v[j]->timer, on_node_closed);
			return err_set(err, -ENOMEM, "out of memory");
		}
		n_v++;
		n_new++;
	}
	qsort(v, n_v, sizeof(*v), by_number);
	for (size_t i = 0; i < prober->n; i++) {
		struct node *old = prober->nodes[i];
		bool number_is_there = false, kept = false;

		for (; k < n_v && v[k]->node.number < old->node.number; k++)
			;
		number_is_there = k < n_v && v[k]->node.number == old->node.number;
		kept = number_is_there && v[k] == old;
		if (!kept && number_is_there)
			uv_close((uv_handle_t *)&old->timer, on_node_closed);
		else if (!kept)
			forget(prober, old);
	}
	free(prober->nodes);
	prober->nodes = take(v);
	prober->n = n_v;
	end_adoption(prober);

	code4 = reopen(&prober->fd4, &prober->config.addr4, &config->addr4, err);
	code6 = reopen(&prober->fd6, &prober->config.addr6, &config->addr6, err);
	prober->config = *config;

	/* New ones are spread over the interval, so that no second of it bears more than another. */
	for (size_t i = 0, nth = 0; i < n_v; i++) {
		struct node *node = prober->nodes[i];

		if (uv_is_active((uv_handle_t *)&node->timer))
			continue;
		uv_timer_start(&node->timer, on_ask, interval_ms(prober) * nth++ / n_new, 0);
	}
	return code4 ? code4 : code6;
}

enum node_health prober_health(const struct prober *prober, uint32_t number)
{
	const struct node *node = find(prober, number);

	return node ? node->liveness.health : NODE_UNKNOWN;
}

struct prober_counts prober_counts(const struct prober *prober)
{
	struct prober_counts counts = { .nodes = prober->n };

	for (size_t i = 0; i < prober->n; i++) {
		const struct xm_probe_stat *stat = &prober->nodes[i]->stat;

		counts.asked += stat->asked;
		counts.lost += stat->lost;
		counts.unmeasured += stat->unmeasured;
		switch (prober->nodes[i]->liveness.health) {
		case NODE_UNKNOWN:
			counts.unknown++;
			break;
		case NODE_UP:
			counts.up++;
			break;
		case NODE_DOWN:
			counts.down++;
			break;
		}
	}
	return counts;
}

void prober_each(const struct prober *prober, void (*one)(void *user, uint32_t number, enum node_health health),
		 void *user)
{
	for (size_t i = 0; i < prober->n; i++)
		one(user, prober->nodes[i]->node.number, prober->nodes[i]->liveness.health);
}
