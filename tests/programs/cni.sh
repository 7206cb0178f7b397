#!/bin/sh
# A CNI plugin that gives a pod the address that stands behind its name in the file `addresses` beside it, and a cable to
# the node, as tests/src/node.rs makes them. It is called in the node's network namespace.
set -eu
cat >/dev/null
folder=$(dirname "$0")
case "$CNI_COMMAND" in
VERSION)
    echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}'
    exit
    ;;
DEL | CHECK) exit ;;
esac
within() { nsenter --net="$CNI_NETNS" ip "$@"; }
if [ "$(basename "$0")" = loopback ]; then
    within link set lo up
    echo '{"cniVersion":"0.3.1","interfaces":[{"name":"lo","sandbox":"'"$CNI_NETNS"'"}]}'
    exit
fi
pod=$(echo "$CNI_ARGS" | tr ';' '\n' | sed -n 's/^K8S_POD_NAME=//p')
address=$(sed -n "s/^$pod //p" "$folder/addresses")
cable=cni$(echo "$address" | tr -d .)
mac=02:00:00:00:00:fe
ip link add "$cable" address $mac type veth peer name "$CNI_IFNAME" netns "$CNI_NETNS"
ip link set "$cable" up
within link set "$CNI_IFNAME" up
within neighbour add 169.254.1.1 lladdr $mac dev "$CNI_IFNAME"
within route add 169.254.1.1 dev "$CNI_IFNAME"
within address add "$address" dev "$CNI_IFNAME"
within route add default via 169.254.1.1 dev "$CNI_IFNAME"
ip route add "$address" dev "$cable"
cat <<JSON
{"cniVersion":"0.4.0","interfaces":[{"name":"$CNI_IFNAME","sandbox":"$CNI_NETNS"}],
 "ips":[{"version":"4","address":"$address/32","interface":0}]}
JSON
