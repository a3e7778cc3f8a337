#!/bin/bash
# swift.sh FOLDER: a real store that speaks S3 poorly, OpenStack Swift's s3api, on loopback.
#
# Prints "ready PORT" when it answers; access key test:tester, secret testing. Ends, with all of its
# processes, when who started it does, or on SIGTERM. Exit code 77, and a reason on standard error,
# where the packages swift-proxy, swift-account, swift-container and swift-object are not installed.
set -eu
for program in swift-proxy-server swift-account-server swift-container-server swift-object-server \
  swift-ring-builder; do
  command -v $program >/dev/null || { echo "swift.sh: $program is not installed" >&2; exit 77; }
done
port() { python3 -c 'import socket;s=socket.socket();s.bind(("127.0.0.1",0));print(s.getsockname()[1])'; }
D=$1 E=$1/etc P=$(port)
mkdir -p "$E" "$D/log" "$D/node/d1"
cat >"$E/swift.conf" <<C
[swift-hash]
swift_hash_path_suffix = backstay
swift_hash_path_prefix = test
[storage-policy:0]
name = one
default = yes
C
cd "$E"
for name in account container object; do
  listen=$(port)
  {
    swift-ring-builder $name.builder create 4 1 0
    swift-ring-builder $name.builder add "r1z1-127.0.0.1:$listen/d1" 1
    swift-ring-builder $name.builder rebalance || true
  } >/dev/null 2>&1
  cat >$name-server.conf <<C
[DEFAULT]
swift_dir = $E
devices = $D/node
mount_check = false
bind_ip = 127.0.0.1
bind_port = $listen
workers = 0
user = $(id -un)
log_level = WARNING
[pipeline:main]
pipeline = $name-server
[app:$name-server]
use = egg:swift#$name
mount_check = false
C
done
pipeline="catch_errors gatekeeper healthcheck proxy-logging cache listing_formats bulk tempurl s3api \
tempauth copy slo dlo versioned_writes symlink proxy-logging proxy-server"
cat >proxy-server.conf <<C
[DEFAULT]
swift_dir = $E
bind_ip = 127.0.0.1
bind_port = $P
workers = 0
user = $(id -un)
log_level = WARNING
[pipeline:main]
pipeline = $pipeline
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
C
for name in catch_errors gatekeeper healthcheck proxy-logging listing_formats bulk tempurl copy slo \
  dlo symlink; do
  printf '[filter:%s]\nuse = egg:swift#%s\n' $name ${name//-/_} >>proxy-server.conf
done
children=()
stop() {
  trap - TERM EXIT
  kill -KILL "${children[@]}" 2>/dev/null || true
  wait 2>/dev/null
}
trap 'stop; exit 0' TERM
trap stop EXIT
for name in account container object proxy; do
  SWIFT_DIR=$E /usr/bin/python3 "$(command -v swift-$name-server)" "$E/$name-server.conf" -v \
    >"$D/log/$name.out" 2>&1 &
  children+=($!)
done
for _ in $(seq 300); do
  if python3 -c "import urllib.request as u;u.urlopen('http://127.0.0.1:$P/healthcheck')" 2>/dev/null
  then
    echo "ready $P"
    while kill -0 $PPID 2>/dev/null; do sleep 1 & wait $!; done
    exit 0
  fi
  sleep 0.1
done
echo "swift.sh: it does not answer" >&2
exit 1
