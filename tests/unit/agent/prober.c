/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Questions on the wire and what follows from answers. The peer and our own program are played here:
 * a socket takes the questions, and the answer is written where the program would (a file in memory
 * stands in for xm_probes). The real programs answer in tests/e2e.
 */
#include "../core/rows.h"

#include <errno.h>

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "agent/prober.h"
#include "model/latency.h"
#include "plane/latency.h"
#include "xmesh/probe.h"
#include "xmesh/wire.h"

#define NUMBER 7
#define DEADLINE_MS 20000
/* On top of the way through loopback. */
#define WAY_NS 100000000ull

struct frame {
	struct xm_vxlan vxlan;
	struct ether_header eth;
	struct xm_probe_packet probe;
} __attribute__((packed));

struct world {
	uv_loop_t loop;
	struct plane plane;
	struct xm_probe *probes;
	struct prober *prober;
	struct prober_config config;
	int fd, rtt; /* a map to go on with, 0 = a new one */
	uv_poll_t poll;
	uv_timer_t deadline;
	bool answers;
	size_t asked, changes, enough;
	enum node_health until;
	uint64_t first_loss_ns, at_ns;
	struct frame last;
	uint16_t from_port;
};

static void on_deadline(uv_timer_t *timer)
{
	fail_msg("nothing happened in %d ms", DEADLINE_MS);
}

static void on_changed(void *user, uint32_t number, enum node_health health)
{
	struct world *w = user;

	assert_int_equal(number, NUMBER);
	assert_int_equal(health, prober_health(w->prober, NUMBER));
	w->changes++;
	if (health == w->until) {
		w->at_ns = uv_hrtime();
		uv_stop(&w->loop);
	}
}

static void on_question(uv_poll_t *poll, int status, int events)
{
	struct world *w = poll->data;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);

	assert_int_equal(recvfrom(w->fd, &w->last, sizeof(w->last), 0, (void *)&from, &len), sizeof(w->last));
	w->from_port = ntohs(from.sin_port);
	w->asked++;
	if (w->answers) {
		w->probes[NUMBER].answers++;
		w->probes[NUMBER].rtt_ns = uv_hrtime() + WAY_NS - w->probes[NUMBER].sent_ns;
		w->probes[NUMBER].answered = w->last.probe.nonce;
	} else if (!w->first_loss_ns) {
		w->first_loss_ns = uv_hrtime();
	}
	/* One that is out is not counted yet: those before it are. */
	if (w->enough && w->asked > w->enough)
		uv_stop(&w->loop);
}

static void set(struct world *w, enum node_health first)
{
	struct prober_node node = { .number = NUMBER, .outer = xm_addr_v4(htonl(0x7f000002)),
				    .vtep_mac = { 2, 2, 2, 2, 2, 2 }, .first = first };
	struct err err = { 0 };

	if (prober_set(w->prober, &w->config, &node, 1, &err))
		fail_msg("%s", err.text);
}

static void run_until(struct world *w, enum node_health health)
{
	w->until = health;
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(prober_health(w->prober, NUMBER), health);
}

static void begin(struct world *w)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002) };
	socklen_t len = sizeof(to);
	struct err err = { 0 };
	size_t size = XM_MAX_NODES * sizeof(struct xm_probe);
	int memory = memfd_create("probes", 0);

	assert_int_equal(ftruncate(memory, (off_t)size), 0);
	/* A real map if we may: what is written there is looked at in tests that need root. */
	w->plane.map_fd[PLANE_xm_probe_rtt] =
		w->rtt ? dup(w->rtt) : bpf_map_create(BPF_MAP_TYPE_HASH, "unit", 4, sizeof(struct xm_probe_stat),
						      16, NULL);
	w->plane.map_fd[PLANE_xm_probes] = memory;
	w->probes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	assert_ptr_not_equal(w->probes, MAP_FAILED);
	uv_loop_init(&w->loop);
	w->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(w->fd, (void *)&to, sizeof(to)), 0);
	assert_int_equal(getsockname(w->fd, (void *)&to, &len), 0);
	uv_poll_init(&w->loop, &w->poll, w->fd);
	w->poll.data = w;
	uv_poll_start(&w->poll, UV_READABLE, on_question);
	uv_timer_init(&w->loop, &w->deadline);
	uv_timer_start(&w->deadline, on_deadline, DEADLINE_MS, 0);
	w->config = (struct prober_config){ .addr4 = xm_addr_v4(htonl(0x7f000001)),
					    .port = ntohs(to.sin_port), .vni = 0x123456,
					    .vtep_mac = { 2, 1, 1, 1, 1, 1 } };
	if (prober_new(&w->loop, &w->plane, on_changed, w, &w->prober, &err))
		fail_msg("%s", err.text);
}

static void end(struct world *w)
{
	prober_close(w->prober);
	uv_close((uv_handle_t *)&w->poll, NULL);
	uv_close((uv_handle_t *)&w->deadline, NULL);
	uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	munmap(w->probes, XM_MAX_NODES * sizeof(struct xm_probe));
	close(w->plane.map_fd[PLANE_xm_probes]);
	close(w->plane.map_fd[PLANE_xm_probe_rtt]);
	close(w->fd);
}

static void asks_as_the_wire_says(void **state)
{
	struct world w = { .answers = true };
	const __u8 src[6] = { 2, 1, 1, 1, 1, 1 }, dst[6] = { 2, 2, 2, 2, 2, 2 };

	begin(&w);
	set(&w, NODE_UNKNOWN);
	run_until(&w, NODE_UP);
	assert_int_equal(w.asked, 1);
	assert_int_equal(ntohl(w.last.vxlan.flags), XM_VXLAN_FLAG_I);
	assert_int_equal(ntohl(w.last.vxlan.vni), 0x12345600);
	assert_memory_equal(w.last.eth.ether_dhost, dst, 6);
	assert_memory_equal(w.last.eth.ether_shost, src, 6);
	assert_int_equal(ntohs(w.last.eth.ether_type), XM_ETH_PROBE);
	assert_int_equal(ntohl(w.last.probe.magic), XM_PROBE_MAGIC);
	assert_int_equal(w.last.probe.type, XM_PROBE_ASK);
	assert_true(w.last.probe.nonce == w.probes[NUMBER].nonce && w.last.probe.nonce);
	assert_true(w.from_port >= XM_SOURCE_PORT_MIN);
	end(&w);
}

static void goes_down_and_comes_back(void **state)
{
	struct world w = { .answers = true };

	begin(&w);
	set(&w, NODE_UNKNOWN);
	run_until(&w, NODE_UP);
	w.answers = false;
	w.asked = 0;
	run_until(&w, NODE_DOWN);
	assert_int_equal(w.asked, 3);
	/* Two intervals and the last timeout, with their jitter, and a second for a busy machine. */
	assert_in_range((w.at_ns - w.first_loss_ns) / 1000000, 2250, 3600);
	w.answers = true;
	w.asked = 0;
	run_until(&w, NODE_UP);
	assert_int_equal(w.asked, 3);
	assert_int_equal(w.changes, 3);
	end(&w);
}

static void what_was_known_stays_known(void **state)
{
	struct world w = { .answers = false };

	begin(&w);
	set(&w, NODE_DOWN);
	assert_int_equal(prober_health(w.prober, NUMBER), NODE_DOWN);
	assert_int_equal(prober_counts(w.prober).down, 1);
	/* The same node in a new list keeps what it has. */
	set(&w, NODE_UNKNOWN);
	assert_int_equal(prober_health(w.prober, NUMBER), NODE_DOWN);
	assert_int_equal(prober_set(w.prober, &w.config, NULL, 0, NULL), 0);
	assert_int_equal(prober_health(w.prober, NUMBER), NODE_UNKNOWN);
	w.probes[NUMBER].answers = 1;
	set(&w, NODE_UNKNOWN);
	assert_int_equal(prober_health(w.prober, NUMBER), NODE_UP);
	assert_int_equal(prober_set(w.prober, &w.config, NULL, 0, NULL), 0);
	assert_int_equal(w.probes[NUMBER].answers, 0);
	end(&w);
}

static void what_cannot_be_sent_is_lost(void **state)
{
	struct world w = { .answers = true };
	struct xm_addr nobody = xm_addr_v4(htonl(0xc6336401));
	struct err err = { 0 };

	begin(&w);
	w.config.addr4 = nobody;
	struct prober_node node = { .number = NUMBER, .outer = xm_addr_v4(htonl(0x7f000002)), .first = NODE_UP };

	assert_int_equal(prober_set(w.prober, &w.config, &node, 1, &err), -EADDRNOTAVAIL);
	run_until(&w, NODE_DOWN);
	assert_int_equal(w.asked, 0);
	end(&w);
}

/* ---- round trips --------------------------------------------------------------------------------- */

static void need_root(void)
{
	if (!geteuid())
		return;
	print_message("needs root: a BPF map\n");
	skip();
}

/* That of NUMBER, the only one. */
static struct xm_probe_stat stat_of(const struct world *w)
{
	struct latency_probe *probes;
	struct xm_probe_stat stat;
	struct err err = { 0 };
	size_t n;

	if (latency_read_probes(&w->plane, &probes, &n, &err))
		fail_msg("%s", err.text);
	assert_int_equal(n, 1);
	assert_int_equal(probes[0].node, NUMBER);
	stat = probes[0].stat;
	free(probes);
	return stat;
}

static void nothing_is_kept(const struct world *w)
{
	struct latency_probe *probes;
	size_t n = 1;

	assert_int_equal(latency_read_probes(&w->plane, &probes, &n, NULL), 0);
	assert_int_equal(n, 0);
	free(probes);
}

static void ask_until(struct world *w, size_t enough)
{
	w->asked = 0;
	w->enough = enough;
	uv_run(&w->loop, UV_RUN_DEFAULT);
}

static void round_trips_are_measured(void **state)
{
	struct world w = { .answers = true };
	struct xm_probe_stat stat;
	struct prober_counts counts;

	need_root();
	begin(&w);
	set(&w, NODE_UP);
	ask_until(&w, 3);
	stat = stat_of(&w);
	assert_int_equal(stat.asked, 3);
	assert_int_equal(stat.lost, 0);
	/* The clocks' difference may not be had on a busy machine; never in three tries. */
	assert_int_equal(hist_count(&stat.hist) + stat.unmeasured, 3);
	assert_in_range(hist_quantile(&stat.hist, 500), WAY_NS, WAY_NS + 50000000);
	w.answers = false;
	ask_until(&w, 1);
	w.answers = true;
	stat = stat_of(&w);
	/* The one that was out at the first stop was answered. */
	assert_int_equal(stat.asked, 5);
	assert_int_equal(stat.lost, 1);
	assert_int_equal(hist_count(&stat.hist) + stat.unmeasured, 4);
	counts = prober_counts(w.prober);
	assert_int_equal(counts.asked, 5);
	assert_int_equal(counts.lost, 1);
	assert_int_equal(counts.unmeasured, stat.unmeasured);
	end(&w);
}

static void round_trips_survive_the_agent(void **state)
{
	struct world w = { .answers = true }, next = { .answers = true };
	struct xm_probe_stat before, after;

	need_root();
	begin(&w);
	set(&w, NODE_UP);
	ask_until(&w, 2);
	before = stat_of(&w);
	next.rtt = dup(w.plane.map_fd[PLANE_xm_probe_rtt]);
	end(&w);
	begin(&next);
	set(&next, NODE_UP);
	ask_until(&next, 1);
	after = stat_of(&next);
	assert_int_equal(after.asked, before.asked + 1);
	assert_int_equal(hist_count(&after.hist) + after.unmeasured,
			 hist_count(&before.hist) + before.unmeasured + 1);
	assert_true(after.hist.sum_ns >= before.hist.sum_ns);
	/* It leaves: forgotten. It comes back: a stranger, what was found pinned is not taken again. */
	assert_int_equal(prober_set(next.prober, &next.config, NULL, 0, NULL), 0);
	nothing_is_kept(&next);
	set(&next, NODE_UP);
	ask_until(&next, 1);
	assert_int_equal(stat_of(&next).asked, 1);
	close(next.rtt);
	end(&next);
}

static void another_node_of_the_number_starts_anew(void **state)
{
	struct world w = { .answers = true };
	struct prober_node other = { .number = NUMBER, .outer = xm_addr_v4(htonl(0x7f000003)), .first = NODE_UP };

	need_root();
	begin(&w);
	set(&w, NODE_UP);
	ask_until(&w, 1);
	assert_int_equal(stat_of(&w).asked, 1);
	assert_int_equal(prober_set(w.prober, &w.config, &other, 1, NULL), 0);
	nothing_is_kept(&w);
	end(&w);
}

int main(void)
{
	struct rows rows = { 0 };

	rows_add(&rows, "a question is what probe.h says, from a tunnel's port, and its answer makes the node up",
		 asks_as_the_wire_says, NULL);
	rows_add(&rows, "three losses make a node down within the time promised, three answers bring it back",
		 goes_down_and_comes_back, NULL);
	rows_add(&rows, "health is kept while the node stays, forgotten with it, and taken over from pinned state",
		 what_was_known_stays_known, NULL);
	rows_add(&rows, "without a socket to send from, questions count as lost", what_cannot_be_sent_is_lost, NULL);
	rows_add(&rows, "round trips are from the kernel's stamp to the answer's, losses are counted",
		 round_trips_are_measured, NULL);
	rows_add(&rows, "what was measured survives the agent, and goes with the node", round_trips_survive_the_agent,
		 NULL);
	rows_add(&rows, "another node under the same number has no round trips yet",
		 another_node_of_the_number_starts_anew, NULL);
	return rows_run("prober", &rows);
}
