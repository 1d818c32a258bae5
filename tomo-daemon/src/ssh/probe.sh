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
echo "tomo-probe-end"
