# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# etcd_lib.sh: real etcd servers on the lab's fabric, with TLS, client certificates and auth. Sourced
# after lib.sh, used after lab_fabric_up; lab_down ends the servers with the namespace `fabric`.
#
#   etcd_init                      the CA and the server's certificate, in $LAB_DIR/etcd
#   etcd_start one 192.0.2.240     a server of that name at https://192.0.2.240:2379, auth as it was
#   etcd_auth one                  users by the certificate's CN from now on; root is ours
#   etcd_user one reader /xmesh/   user, role and certificate $LAB_DIR/etcd/reader{,-key}.pem: may read that
#   etcd_fill one /xmesh/west <LIST.json     every object of a kubectl list, as values
#
# Not for: checking anything.

# shellcheck disable=SC2034 # for the scripts
ETCD_ADDR=192.0.2.240 # of the first one; 241 to 244 are in the certificate too

# etcd_cert NAME: a key and a certificate of that CN for clients.
etcd_cert() {
	[ ! -e "$LAB_DIR/etcd/$1.pem" ] || return 0
	etcd_sign "$1" "extendedKeyUsage=clientAuth"
}
etcd_sign() { # NAME EXTENSION
	local d=$LAB_DIR/etcd
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" \
		-keyout "$d/$1-key.pem" -out "$d/$1.csr" 2>/dev/null
	openssl x509 -req -days 2 -in "$d/$1.csr" -CA "$d/ca.pem" -CAkey "$d/ca-key.pem" \
		-set_serial "0x$(openssl rand -hex 8)" -extfile <(echo "$2") -out "$d/$1.pem" 2>/dev/null
}
etcd_init() {
	local d=$LAB_DIR/etcd names=DNS:localhost,DNS:etcd.example,IP:127.0.0.1 n
	mkdir -p "$d"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=lab-ca \
		-keyout "$d/ca-key.pem" -out "$d/ca.pem" 2>/dev/null
	for n in 240 241 242 243 244; do names=$names,IP:192.0.2.$n,IP:2001:db8::$n; done
	etcd_sign server "$(printf '%s\n' extendedKeyUsage=serverAuth,clientAuth "subjectAltName=$names")"
	etcd_cert root
}
# etcd_address ADDRESS: one more of the fabric.
etcd_address() { lab_ip fabric address replace "$1/24" dev br0; }

# etcd_start NAME [ADDRESS [OPTION...]]: start it, again with the data and the arguments that it had, and
# wait until it answers.
etcd_start() {
	etcd_begin "$@"
	lab_wait 15 etcd_answers "$1" && return
	echo "etcd $1 does not answer; its log:" >&2
	tail -n 15 "$LAB_DIR/log/etcd-$1" >&2
	return 1
}
etcd_begin() {
	local name=$1 d=$LAB_DIR/etcd addr
	if [ $# -gt 1 ]; then
		echo "$2" >"$d/$name.addr"
		printf '%s\n' "${@:3}" >"$d/$name.args"
	fi
	addr=$(cat "$d/$name.addr")
	etcd_address "$addr"
	mapfile -t args < <(sed '/^$/d' "$d/$name.args")
	lab_bg fabric "etcd-$name" etcd --name "$name" --data-dir "$d/$name.data" --logger zap --log-level warn \
		--listen-client-urls "https://$addr:2379" --advertise-client-urls "https://$addr:2379" \
		--listen-peer-urls "http://$addr:2380" --initial-advertise-peer-urls "http://$addr:2380" \
		--initial-cluster "$name=http://$addr:2380" --initial-cluster-token "$name-$(date +%s%N)" \
		--cert-file "$d/server.pem" --key-file "$d/server-key.pem" \
		--client-cert-auth --trusted-ca-file "$d/ca.pem" --bcrypt-cost 4 \
		--heartbeat-interval 20 --election-timeout 200 ${args[@]+"${args[@]}"}
	echo "$LAB_PID" >"$d/$name.pid"
}
etcd_answers() { etcd_ctl "$1" --dial-timeout=1s --command-timeout=1s get /none; }
etcd_pid() { cat "$LAB_DIR/etcd/$1.pid"; }
etcd_stop() { # NAME [SIGNAL]
	local pid
	pid=$(etcd_pid "$1")
	kill "-${2:-KILL}" "$pid"
	lab_wait 10 lab_gone "$pid"
}
etcd_freeze() { kill -STOP "$(etcd_pid "$1")"; }
etcd_thaw() { kill -CONT "$(etcd_pid "$1")"; }
etcd_wipe() { rm -rf "$LAB_DIR/etcd/$1.data"; } # NAME, which is stopped

# etcd_ctl NAME ARGUMENT...: etcdctl as root.
etcd_ctl() { etcd_as root "$@"; }
etcd_as() { # USER NAME ARGUMENT...
	local user=$1 name=$2 d=$LAB_DIR/etcd
	shift 2
	ETCDCTL_API=3 lab_exec fabric etcdctl --endpoints "https://$(cat "$d/$name.addr"):2379" \
		--cacert "$d/ca.pem" --cert "$d/$user.pem" --key "$d/$user-key.pem" "$@"
}
etcd_auth() { # NAME
	etcd_ctl "$1" user add --no-password root >/dev/null
	etcd_ctl "$1" user grant-role root root >/dev/null
	etcd_ctl "$1" auth enable >/dev/null
}
# etcd_user NAME USER PREFIX [read|write|readwrite]: by certificate; a password with etcd_password.
etcd_user() {
	etcd_cert "$2"
	etcd_ctl "$1" role add "$2" >/dev/null
	etcd_ctl "$1" user add --no-password "$2" >/dev/null
	etcd_ctl "$1" user grant-role "$2" "$2" >/dev/null
	etcd_grant "$@"
}
etcd_grant() { etcd_ctl "$1" role grant-permission --prefix "$2" "${4:-read}" "$3" >/dev/null; }
etcd_revoke() { etcd_ctl "$1" role revoke-permission --prefix "$2" "$3" >/dev/null; }
# etcd_password NAME USER PREFIX PASSWORD: a user without a certificate of its name.
etcd_password() {
	etcd_ctl "$1" role add "$2" >/dev/null
	etcd_ctl "$1" user add "$2:$4" >/dev/null
	etcd_ctl "$1" user grant-role "$2" "$2" >/dev/null
	etcd_grant "$1" "$2" "$3"
}

# ---- what lies in it ----

# etcd_keys PREFIX: of the objects on stdin (JSON, or a list of them): PREFIX/KIND/NAMESPACE/NAME<tab>"JSON".
etcd_keys() {
	jq -r --arg prefix "$1" '
		{Node: "nodes", Service: "services", EndpointSlice: "endpointslices",
		 ServiceExport: "serviceexports", ServiceImport: "serviceimports"} as $kinds
		| (.items? // [.])[]
		| [$prefix, $kinds[.kind], (.metadata.namespace // empty), .metadata.name] as $key
		| "\($key | join("/"))\t\(tojson | tojson)"'
}
# etcd_fill NAME PREFIX: those of stdin, and then PREFIX/.complete. A hundred in each transaction.
etcd_fill() {
	{
		etcd_keys "$2"
		printf '%s\t"%s"\n' "$2/.complete" "$(date -u +%FT%TZ)"
	} | etcd_puts "$1"
}
etcd_puts() { # NAME: KEY<tab>"VALUE" lines on stdin
	local lines
	while mapfile -t -n 100 lines && [ ${#lines[@]} -gt 0 ]; do
		{
			echo
			printf 'put %s\n' "${lines[@]}"
			echo
			echo
		} | etcd_ctl "$1" txn >/dev/null
	done
}
etcd_put() { etcd_ctl "$1" put "$2" -- "$3" >/dev/null; } # NAME KEY VALUE
etcd_del() { etcd_ctl "$1" del "$2" "${@:3}" >/dev/null; } # NAME KEY [OPTION...]

# etcd_node NAME CIDR ADDRESS: a Node as JSON.
etcd_node() {
	jq -nc --arg name "$1" --arg cidr "$2" --arg addr "$3" '{apiVersion: "v1", kind: "Node",
		metadata: {name: $name}, spec: {podCIDR: $cidr, podCIDRs: [$cidr]},
		status: {addresses: [{type: "InternalIP", address: $addr}]}}'
}
# etcd_service CLUSTER NAME NUMBER "POD...": a global Service lab/NAME as lab_service makes it, with its
# slices: three JSON objects.
etcd_service() {
	local fam pod
	jq -nc --arg name "$2" --arg v4 "$(lab_vip "$1" "$3" 4)" --arg v6 "$(lab_vip "$1" "$3" 6)" '
		{apiVersion: "v1", kind: "Service",
		 metadata: {name: $name, namespace: "lab", annotations: {"xmesh.io/global": "true"}},
		 spec: {clusterIPs: [$v4, $v6], type: "ClusterIP",
			ports: [{name: "http", port: 80, protocol: "TCP"}, {name: "echo", port: 7, protocol: "TCP"}]}}'
	for fam in 4 6; do
		for pod in $4; do echo "$(lab_addr "$pod" $fam) $(lab_node_of "$pod")"; done |
			jq -Rnc --arg name "$2" --arg fam $fam '
			{apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice",
			 metadata: {name: "\($name)-ipv\($fam)", namespace: "lab",
				labels: {"kubernetes.io/service-name": $name}},
			 addressType: "IPv\($fam)",
			 ports: [{name: "http", port: 8080, protocol: "TCP"}, {name: "echo", port: 9090, protocol: "TCP"}],
			 endpoints: [inputs | split(" ") | {addresses: [.[0]], nodeName: .[1],
				conditions: {ready: true, serving: true, terminating: false}}]}'
	done
}
# etcd_source PREFIX USER ADDRESS...: the configuration of such a feed, on one line.
etcd_source() {
	local prefix=$1 user=$2 d=$LAB_DIR/etcd list
	shift 2
	list=$(printf '"https://%s:2379", ' "$@")
	echo "{etcd: {endpoints: [${list%, }], prefix: $prefix, ca: $d/ca.pem, cert: $d/$user.pem, key: $d/$user-key.pem}}"
}

# ---- ways to it that can be cut ----

# etcd_way NAME ADDRESS: https://ADDRESS:2379 leads to the server NAME, until etcd_cut ADDRESS. Again: it is
# mended.
etcd_way() {
	etcd_address "$2"
	lab_bg fabric "way-$2" socat "TCP-LISTEN:2379,bind=$2,reuseaddr,fork" "TCP:$(cat "$LAB_DIR/etcd/$1.addr"):2379"
	echo "$LAB_PID" >"$LAB_DIR/etcd/way-$2.pid"
	lab_wait 5 etcd_way_listens "$2"
}
etcd_way_listens() { [ -n "$(lab_exec fabric ss -Hltn "src = $1:2379")" ]; }
etcd_cut() { # ADDRESS: what goes over it is reset, what comes is refused
	local pid child
	pid=$(cat "$LAB_DIR/etcd/way-$1.pid")
	child=$(pgrep -P "$pid" | paste -sd' ')
	# shellcheck disable=SC2086 # several
	kill "$pid" $child
	lab_wait 5 lab_gone "$pid"
}
