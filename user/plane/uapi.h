/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel has and the linux/bpf.h of Debian 12 (6.1) has not: tcx, mprog queries, newer
 * adjust_room flags. Values as in include/uapi/linux/bpf.h of Linux 6.6. Not for: anything that
 * the headers of the oldest supported distribution define.
 */
#ifndef XMESH_PLANE_UAPI_H
#define XMESH_PLANE_UAPI_H

#include <linux/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UAPI_BPF_TCX_INGRESS 46
#define UAPI_BPF_TCX_EGRESS 47
#define UAPI_BPF_F_BEFORE (1u << 3)
#define UAPI_MPROG_MAX 64 /* programs on one hook */

#define UAPI_ADJ_ROOM_ENCAP_L2_ETH (1ull << 6)
#define UAPI_ADJ_ROOM_DECAP_L3_IPV6 (1ull << 8)

#define UAPI_BPF_FS_MAGIC 0xcafe4a11

/* The kernel's own errno for "not supported"; user space has no name for it. */
#define UAPI_ENOTSUPP 524

/* The members of union bpf_attr for BPF_LINK_CREATE with tcx, and for BPF_PROG_QUERY since 6.6. */
struct uapi_link_create {
	__u32 prog_fd;
	__u32 target_ifindex;
	__u32 attach_type;
	__u32 flags;
	__u32 relative_fd;
	__u32 pad;
	__u64 expected_revision;
};

struct uapi_prog_query {
	__u32 target_ifindex;
	__u32 attach_type;
	__u32 query_flags;
	__u32 attach_flags;
	__u64 prog_ids;
	__u32 count;
	__u32 pad;
	__u64 prog_attach_flags;
	__u64 link_ids;
	__u64 link_attach_flags;
	__u64 revision;
};

/* -1 with errno set, as system calls do. */
static inline int uapi_bpf(int cmd, void *attr, unsigned int size)
{
	return (int)syscall(__NR_bpf, cmd, attr, size);
}

#endif
