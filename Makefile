# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Everything is built below build/; one non-recursive makefile. `make help` lists the targets.

CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /sbin/bpftool) bpftool)
PREFIX ?= /usr/local
DESTDIR ?=
B := build

VERSION := $(shell sed -n 's/^\#define XMESH_VERSION "\(.*\)"/\1/p' user/core/version.h)
PKGS := libbpf libmnl libuv json-c yaml-0.1 smartcols libsystemd libmicrohttpd libcurl libprotobuf-c libzstd
# clang says -pc- where Debian folders do not.
MULTIARCH := $(subst -pc-,-,$(shell $(CC) -dumpmachine))

WARN := -Wall -Wextra -Werror=implicit-function-declaration -Wmissing-prototypes -Wstrict-prototypes \
	-Wshadow -Wno-unused-parameter
CPPFLAGS += -D_GNU_SOURCE -Iinclude -Iuser -I$(B)/gen $(shell pkg-config --cflags $(PKGS) libxxhash 2>/dev/null)
CFLAGS ?= -O2 -g
CFLAGS += -std=gnu11 $(WARN)
LDLIBS += $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lelf -lz
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1

BPF_CFLAGS := -std=gnu11 -target bpf -mcpu=v2 -O2 -g -fno-strict-aliasing -Wall -Wextra -Wno-unused-parameter -Iinclude -Ibpf/lib \
	-I/usr/include/$(MULTIARCH) -D__BPF__

USER_SRC := $(filter-out user/cli/main.c,$(wildcard user/*/*.c))
USER_OBJ = $(USER_SRC:%.c=$(B)/obj/%.o) $(PROTO:user/%.proto=$(B)/obj/gen/%.pb-c.o)
ASAN_OBJ = $(USER_SRC:%.c=$(B)/asan/%.o) $(PROTO:user/%.proto=$(B)/asan/gen/%.pb-c.o)
UNIT_SRC := $(filter-out %.bpf.c,$(wildcard tests/unit/*/*.c))
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(B)/unit/%)
PROG_SRC := $(wildcard tests/prog/*.c)
BPF_DEPS := $(wildcard bpf/*.[ch] bpf/lib/*.h include/xmesh/*.h)
SKEL := $(B)/gen/xmesh.skel.h
PROTO := $(wildcard user/feed/*.proto)
PROTO_H := $(PROTO:user/%.proto=$(B)/gen/%.pb-c.h)

.PHONY: all check check-fuzz fuzz check-prog check-e2e check-vm test lint bench demo install clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(B)/xmesh ## build the binary build/xmesh

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 14

$(B)/bpf/xmesh.bpf.o: bpf/xmesh.bpf.c $(BPF_DEPS)
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $(@:.o=.tmp.o)
	$(BPFTOOL) gen object $@ $(@:.o=.tmp.o)
	@rm -f $(@:.o=.tmp.o)

$(SKEL): $(B)/bpf/xmesh.bpf.o
	@mkdir -p $(@D)
	$(BPFTOOL) gen skeleton $< name xmesh_bpf > $@

# <gen>/feed/etcd.pb-c.h of user/feed/etcd.proto
$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h &: user/%.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=user --c_out=$(B)/gen $<

$(B)/obj/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-missing-prototypes -c $< -o $@

$(B)/asan/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) -Wno-missing-prototypes -c $< -o $@

$(B)/obj/%.o: %.c $(SKEL) $(PROTO_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

$(B)/asan/%.o: %.c $(SKEL) $(PROTO_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) -MMD -MP -c $< -o $@

# The page in it, by .incbin.
$(B)/obj/user/agent/web.o $(B)/asan/user/agent/web.o: user/agent/page.html

$(B)/libxmesh.a: $(USER_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/libxmesh-asan.a: $(ASAN_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/xmesh: $(B)/obj/user/cli/main.o $(B)/libxmesh.a
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# The binary under the sanitizers, for the bad-input tests of the command line.
$(B)/xmesh-asan: $(B)/asan/user/cli/main.o $(B)/libxmesh-asan.a
	$(CC) $(CFLAGS) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(B)/unit/%: tests/unit/%.c $(B)/libxmesh-asan.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(CFLAGS) $(SANITIZE) -DTEST_DATA='"$(abspath tests/data)"' -MMD -MP -MF $@.d $< $(B)/libxmesh-asan.a -o $@ -lcmocka $(LDLIBS)

# A program that only a test runs.
$(B)/bpf/torn.bpf.o: tests/unit/plane/torn.bpf.c $(BPF_DEPS)
	@mkdir -p $(@D)
	$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(B)/unit/plane/torn: private CPPFLAGS += -DTORN_OBJECT='"$(abspath $(B))/bpf/torn.bpf.o"'
$(B)/unit/plane/torn: $(B)/bpf/torn.bpf.o

check: $(UNIT_BIN) $(B)/xmesh-asan ## unit tests, under ASan and UBSan
	@scripts/run-tests.sh unit $(UNIT_BIN)

$(B)/prog/run: $(PROG_SRC) $(wildcard tests/prog/*.h) $(B)/libxmesh.a
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(CFLAGS) $(PROG_SRC) $(B)/libxmesh.a -o $@ -lcmocka $(LDLIBS)

# Decoders of what others send, by libFuzzer: clang's own runtime, so these sources are built once more.
FUZZ_OBJ := $(patsubst %.c,$(B)/fuzz/obj/%.o,$(wildcard user/core/*.c user/model/*.c user/feed/*.c)) \
	$(PROTO:user/%.proto=$(B)/fuzz/obj/gen/%.pb-c.o)
FUZZ_BIN := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZ_RUNS := 20000

$(B)/fuzz/obj/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) -fsanitize=fuzzer-no-link -Wno-missing-prototypes -c $< -o $@

$(B)/fuzz/obj/%.o: %.c $(PROTO_H)
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@

$(B)/libxmesh-fuzz.a: $(FUZZ_OBJ)
	@rm -f $@
	$(AR) rcs $@ $^

$(B)/fuzz/%: tests/fuzz/%.c $(B)/libxmesh-fuzz.a
	@mkdir -p $(@D)
	$(CLANG) $(CPPFLAGS) $(CFLAGS) $(SANITIZE) -fsanitize=fuzzer $< $(B)/libxmesh-fuzz.a -o $@ $(LDLIBS)

fuzz: $(FUZZ_BIN) ## build the fuzzers of tests/fuzz: build/fuzz/NAME CORPUS...

check-fuzz: fuzz ## each fuzzer for a bounded number of runs over its corpus
	@set -e; for f in $(FUZZ_BIN); do \
		n=$${f##*/}; mkdir -p $(B)/fuzz/new/$$n; \
		$$f -runs=$(FUZZ_RUNS) -max_total_time=10 -timeout=5 -artifact_prefix=$(B)/fuzz/$$n. \
			$(B)/fuzz/new/$$n tests/fuzz/corpus/$$n > $(B)/fuzz/$$n.log 2>&1 || { \
			tail -40 $(B)/fuzz/$$n.log; echo "fuzz $$n: failed; the input is $(B)/fuzz/$$n.*"; exit 1; }; \
		echo "fuzz $$n: passed"; \
	done

check-prog: $(B)/prog/run ## the BPF programs, by BPF_PROG_TEST_RUN (root)
	@scripts/run-tests.sh prog $(B)/prog/run

check-e2e: $(B)/xmesh ## real agents, namespaces and traffic (root); E2E=NAME for one
	@scripts/run-tests.sh e2e $(or $(E2E:%=tests/e2e/%.sh),$(filter-out tests/e2e/%lib.sh,$(wildcard tests/e2e/*.sh)))

check-vm: $(B)/xmesh ## loads and a short end to end in distribution kernels; KERNELS="6.1 newest"
	@scripts/vm.sh $(or $(KERNELS),6.1 6.12 newest)

test: ## install what is missing and run everything
	scripts/test.sh

lint: ## warnings as errors, include directions, shellcheck, man page and help
	@scripts/lint.sh

bench: $(B)/xmesh ## ratios against kernel VXLAN and plain routing (root)
	@tests/bench/run.sh

demo: ## three clusters in namespaces
	scripts/demo.sh

install: $(B)/xmesh ## into DESTDIR and PREFIX
	install -D -m 755 $(B)/xmesh $(DESTDIR)$(PREFIX)/sbin/xmesh
	install -D -m 644 packaging/xmesh.8 $(DESTDIR)$(PREFIX)/share/man/man8/xmesh.8
	install -D -m 644 packaging/xmesh.yaml.5 $(DESTDIR)$(PREFIX)/share/man/man5/xmesh.yaml.5
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in agent publish; do sed 's|@PREFIX@|$(PREFIX)|g' packaging/xmesh-$$unit.service.in \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/xmesh-$$unit.service || exit 1; done
	install -D -m 644 packaging/xmesh.yaml.example $(DESTDIR)$(PREFIX)/share/doc/xmesh/xmesh.yaml
	install -D -m 644 packaging/grafana/xmesh.json $(DESTDIR)$(PREFIX)/share/doc/xmesh/grafana/xmesh.json
	install -D -m 644 packaging/prometheus/xmesh.rules.yaml $(DESTDIR)$(PREFIX)/share/doc/xmesh/prometheus/xmesh.rules.yaml
	install -D -m 644 packaging/rbac.yaml $(DESTDIR)$(PREFIX)/share/doc/xmesh/rbac.yaml

clean: ## remove build/
	rm -rf $(B)

-include $(USER_OBJ:.o=.d) $(ASAN_OBJ:.o=.d) $(UNIT_BIN:=.d) $(FUZZ_OBJ:.o=.d)
