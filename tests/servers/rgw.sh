#!/bin/bash
# rgw.sh FOLDER: a real S3 store, Ceph's object gateway with one monitor and one disk, on loopback.
#
# Prints "ready PORT" when it answers; access key AKTEST, secret SKTEST. Ends, with all of its
# processes, when who started it does, or on SIGTERM. Exit code 77, and a reason on standard
# error, where the packages radosgw, ceph-mon and ceph-osd are not installed (about 256 MiB).
set -eu
folder=$1
for program in radosgw ceph-mon ceph-osd ceph-authtool monmaptool radosgw-admin; do
  command -v $program >/dev/null || { echo "rgw.sh: $program is not installed" >&2; exit 77; }
done
port() { python3 -c 'import socket;s=socket.socket();s.bind(("127.0.0.1",0));print(s.getsockname()[1])'; }
P=$(port) M=$(port) D=$folder c="-c $folder/ceph.conf"
mkdir -p "$D"/{mon,osd,run,log,rgw}
cat >"$D/ceph.conf" <<C
[global]
fsid = $(cat /proc/sys/kernel/random/uuid)
mon_host = [v2:127.0.0.1:$M]
public_addr = 127.0.0.1
keyring = $D/keyring
run_dir = $D/run
pid_file =
admin_socket = $D/run/\$name.asok
log_file = $D/log/\$name.log
mon_cluster_log_file = $D/log/cluster.log
mon_data = $D/mon
mon_data_avail_crit = 1
mon_data_avail_warn = 2
mon_allow_pool_size_one = true
paxos_propose_interval = 0.05
osd_data = $D/osd
osd_objectstore = bluestore
bluestore_block_size = 4294967296
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
rgw_data = $D/rgw
rgw_frontends = beast endpoint=127.0.0.1:$P
rgw_thread_pool_size = 16
C
key() { ceph-authtool "$@" >/dev/null; }
key -C "$D/keyring" --gen-key -n mon. --cap mon 'allow *'
key "$D/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
key "$D/keyring" --gen-key -n client.rgw.a --cap mon 'allow rwx' --cap osd 'allow rwx'
key "$D/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
monmaptool --create --fsid "$(awk '/^fsid/{print $3}' "$D/ceph.conf")" --addv a "[v2:127.0.0.1:$M]" \
  "$D/monmap" >/dev/null
ceph-mon -i a --mkfs --monmap "$D/monmap" --keyring "$D/keyring" $c >&2
children=()
stop() {
  trap - TERM EXIT
  kill -KILL "${children[@]}" 2>/dev/null || true
  wait 2>/dev/null
}
trap 'stop; exit 0' TERM
trap stop EXIT
ceph-mon -i a -f $c >"$D/log/mon.out" 2>&1 & children+=($!)
ceph $c auth import -i "$D/keyring" >/dev/null 2>&1
ceph $c osd create >/dev/null 2>&1
ceph-osd -i 0 --mkfs $c >"$D/log/mkfs.out" 2>&1
ceph-osd -i 0 -f $c >"$D/log/osd.out" 2>&1 & children+=($!)
radosgw -n client.rgw.a -f $c >"$D/log/rgw.out" 2>&1 & children+=($!)
radosgw-admin $c user create --uid=t --display-name=t --access-key=AKTEST --secret-key=SKTEST \
  >/dev/null 2>"$D/log/admin.err"
for _ in $(seq 600); do
  if python3 -c "import urllib.request as u;u.urlopen('http://127.0.0.1:$P/')" 2>/dev/null; then
    echo "ready $P"
    while kill -0 $PPID 2>/dev/null; do sleep 1 & wait $!; done
    exit 0
  fi
  sleep 0.1
done
echo "rgw.sh: the gateway does not answer" >&2
exit 1
