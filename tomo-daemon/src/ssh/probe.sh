PATH=$PATH:/usr/sbin:/sbin
LC_ALL=C
export PATH LC_ALL
exec 2>/dev/null
echo "tomo-probe-begin"
echo "clock=$(date +%s.%N)"
echo "hostname=$(uname -n)"
echo "kernel=$(uname -r)"
echo "architecture=$(uname -m)"
echo "os=$(sed -n 's/^PRETTY_NAME=//p' /etc/os-release | head -n 1)"
echo "cpus=$(getconf _NPROCESSORS_ONLN)"
sed -n 's/^\(MemTotal\|MemAvailable\): *\([0-9]*\).*/\1=\2/p' /proc/meminfo
echo "uptime=$(cut -d. -f1 /proc/uptime)"
df -Pk / /tmp | sed -n '2,$s/^/df=/p'
if [ -d /run/systemd/system ]; then echo "systemd=$(systemctl is-system-running </dev/null)"; fi
if [ -S /var/run/docker.sock ]; then echo "docker_socket=yes"; fi
if [ -w /var/run/docker.sock ]; then echo "docker_access=yes"; fi
echo "docker_version=$(docker version --format '{{.Server.Version}}' </dev/null)"
if [ "$(id -u)" = 0 ]; then echo "sudo=root"
elif sudo -n true </dev/null; then echo "sudo=passwordless"
elif command -v sudo >/dev/null; then echo "sudo=asks"
fi
if [ -e /usr/local/bin/tomo-agent ]; then echo "agent=yes"; fi
# A QUIC packet of a version that nobody speaks: whoever listens there answers with those it does (RFC 9000, sections 6.1 and 15).
if command -v bash >/dev/null && command -v timeout >/dev/null; then
  for daemon in $daemons; do
    host=${daemon%:*} host=${host#\[} host=${host%\]}
    took=$(timeout 3 bash -c '
      for try in 1 2; do
        exec 3<>"/dev/udp/$1/$2" || exit
        begun=${EPOCHREALTIME/./}
        printf "\xc0\x1a\x2a\x3a\x4a\x08tomotomo\x08tomotomo%01200d" 0 >&3
        if IFS= read -r -N 1 -t 1 -u 3; then echo "$((${EPOCHREALTIME/./} - begun))"; exit; fi
      done' bash "$host" "${daemon##*:}" </dev/null)
    echo "udp=$daemon $took"
    if [ -n "$took" ]; then break; fi
  done
fi
echo "tomo-probe-end"
