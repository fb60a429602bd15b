/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs iptables-save, ip6tables-save and nft where they are installed: at most OUTPUT_MAX bytes of
 * each and DEADLINE_MS for all. A tool that fails becomes a note, for its rules are unknown then.
 * Not for: understanding what they print (firewall.c).
 */
#include "net/firewall.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/defs.h"
#include "core/vec.h"
#include "net/tool.h"

#define OUTPUT_MAX (8u * 1024 * 1024)
#define DEADLINE_MS 3000

struct tool {
	const char *name;
	char *argv[5];
	int (*judge)(const char *text, const char *device, struct firewall_report *report);
	bool legacy; /* to be run only where legacy tables are loaded */
};

static const struct tool tools[] = {
	{ "iptables-save", { "iptables-save" }, firewall_judge_iptables, false },
	{ "ip6tables-save", { "ip6tables-save" }, firewall_judge_iptables, false },
	/* Beside iptables over nf_tables the older tables may be in use too. */
	{ "iptables-legacy-save", { "iptables-legacy-save" }, firewall_judge_iptables, true },
	{ "ip6tables-legacy-save", { "ip6tables-legacy-save" }, firewall_judge_iptables, true },
	{ "nft", { "nft", "-j", "list", "ruleset" }, firewall_judge_nft, false },
};

/* The tool's path in the usual places; false: not installed. */
static bool find_tool(const char *name, char path[64])
{
	static const char *const dirs[] = { "/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin" };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		snprintf(path, 64, "%s/%s", dirs[i], name);
		if (!access(path, X_OK))
			return true;
	}
	return false;
}

static int note_failure(const struct tool *tool, int code, const struct tool_output *o,
			struct firewall_report *report)
{
	const char *why = strerror(-code);
	char complaint[TOOL_COMPLAINT_MAX];

	if (code == -ETIMEDOUT)
		why = "it takes too long";
	else if (code == -EFBIG)
		why = "it prints more than 8 MiB";
	snprintf(complaint, sizeof(complaint), "%s", o->complaint);
	complaint[strcspn(complaint, "\n")] = '\0';
	report->incomplete = true;
	return vec_note(&report->notes, &report->n_notes,
			"firewall rules are unknown as far as %s shows them: %s", tool->name,
			code == -EIO && complaint[0] ? complaint : why);
}

/* The legacy tables of this namespace; the file is not there without their module. */
static bool has_legacy_tables(void)
{
	static const char *const lists[] = { "/proc/net/ip_tables_names", "/proc/net/ip6_tables_names" };
	char byte;

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		auto_close int fd = open(lists[i], O_RDONLY | O_CLOEXEC);

		if (fd >= 0 && read(fd, &byte, 1) == 1)
			return true;
	}
	return false;
}

/* iptables-save may be the legacy one itself. */
static bool is_same_program(const char *a, const char *b)
{
	struct stat sa, sb;

	/* The programs are one file that goes by its name: compare where the names lead. */
	auto_free char *ra = realpath(a, NULL), *rb = realpath(b, NULL);

	if (!ra || !rb || stat(ra, &sa) || stat(rb, &sb))
		return false;
	return sa.st_ino == sb.st_ino && sa.st_dev == sb.st_dev;
}

static bool is_wanted(const struct tool *tool, const char *path)
{
	char usual[64];

	if (!tool->legacy)
		return true;
	if (!has_legacy_tables())
		return false;
	return !find_tool(tool->name[2] == '6' ? "ip6tables-save" : "iptables-save", usual) ||
	       !is_same_program(usual, path);
}

static int read_tool(const struct tool *tool, const char *device, int64_t deadline,
		     struct firewall_report *report)
{
	struct tool_output o = { .text = NULL };
	char path[64];
	int code;

	if (!find_tool(tool->name, path) || !is_wanted(tool, path))
		return 0;
	code = tool_run(path, tool->argv, deadline - tool_clock_ms(), OUTPUT_MAX, &o);
	if (!code && o.n)
		code = tool->judge(o.text, device, report);
	if (code && code != -ENOMEM)
		code = note_failure(tool, code, &o, report);
	free(o.text);
	return code;
}

static bool has_net_admin(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	return !syscall(SYS_capget, &head, data) && data[0].effective & (1u << CAP_NET_ADMIN);
}

int firewall_read(const char *device, struct firewall_report *ret_report, struct err *err)
{
	int64_t deadline = tool_clock_ms() + DEADLINE_MS;
	struct firewall_report report = { 0 };
	int code = 0;

	if (!has_net_admin())
		return err_set(err, -EPERM, "reading the firewall's rules needs CAP_NET_ADMIN (root)");
	for (size_t i = 0; i < ARRAY_SIZE(tools) && !code; i++)
		code = read_tool(&tools[i], device, deadline, &report);
	if (code) {
		firewall_report_done(&report);
		return err_set(err, code, "out of memory for the firewall's rules");
	}
	*ret_report = report;
	return 0;
}
