import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { z } from "zod";
import { asRoot, runAsRoot } from "./as-root.ts";
import type { WorkerImage } from "./worker-image.ts";

/** What this needs of a container in a task definition, as ECS reads it. */
const containerSchema = z.object({
  user: z.string().regex(/^\d+$/u),
  readonlyRootFilesystem: z.boolean(),
  mountPoints: z.array(z.object({ containerPath: z.string(), readOnly: z.boolean() })),
  linuxParameters: z.object({ capabilities: z.object({ drop: z.array(z.string()) }) }),
  environment: z.array(z.object({ name: z.string(), value: z.string() })),
  healthCheck: z.object({ command: z.array(z.string()) }),
});
export type Container = z.output<typeof containerSchema>;

export const parseContainer = (container: unknown): Container => containerSchema.parse(container);

/**
 * Namespaces of a container, but for the network's: the test talks to it over loopback. Everything is mounted
 * in the namespace and is gone with its last process. A volume takes over the rights of the folder that the
 * image declares as one, as on ECS.
 */
const TASK_SCRIPT = `
set -eu
root=$1 read_only=$2 user=$3 bounding=$4 directory=$5 volumes=$6
shift 6
mount --bind "$root" "$root"
for volume in $volumes; do
  mount -t tmpfs -o "nosuid,nodev,mode=\${volume%%:*}" tmpfs "$root\${volume#*:}"
done
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
if [ "$read_only" = true ]; then mount -o remount,bind,ro "$root"; fi
group=$(awk -F: -v user="$user" '$3 == user { print $4 }' "$root/etc/passwd")
exec chroot "$root" setpriv --reuid "$user" --regid "\${group:-0}" --clear-groups --inh-caps=-all --bounding-set="$bounding" \
  env --ignore-environment --chdir "$directory" "$@"
`;

const NAMESPACES = "unshare --mount --propagation=private --pid --fork --kill-child --ipc --uts".split(" ");

/** Starts the image as ECS would start a container of the task definition, with these variables. */
export async function startTask(
  { rootfs, config }: WorkerImage,
  container: Container,
  environment: Readonly<Record<string, string>>,
): Promise<ChildProcess> {
  const volumes = await Promise.all(
    container.mountPoints.map(async ({ containerPath }) => {
      const isDeclared = Object.keys(config.Volumes).includes(containerPath);
      const mode = isDeclared ? await runAsRoot("stat", "--format=%a", `${rootfs}${containerPath}`) : "755";
      return `${mode}:${containerPath}`;
    }),
  );
  const { user, readonlyRootFilesystem, linuxParameters } = container;
  const bounding = linuxParameters.capabilities.drop.includes("ALL") ? "-all" : "+all";
  const values = [
    rootfs,
    String(readonlyRootFilesystem),
    user,
    bounding,
    config.WorkingDir,
    volumes.join(" "),
  ];
  const [program = "", ...args] = asRoot(
    ...NAMESPACES,
    "bash",
    "-c",
    TASK_SCRIPT,
    "task",
    ...values,
    ...config.Env,
    ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
    ...config.Entrypoint,
    ...config.Cmd,
  );
  return spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
}

const childrenOf = (pid: number): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
const nameOf = (pid: number): string => readFileSync(`/proc/${pid}/comm`, "utf8").trim();

/** A started task from outside, as the container's runtime sees it. */
export class RunningTask {
  /** The container's init. */
  readonly init: number;
  readonly #container: Container;

  /** @param process what `startTask` returned, once the program in it runs. */
  constructor(process: ChildProcess, container: Container) {
    this.#container = container;
    let pid = process.pid ?? 0;
    while (nameOf(pid) !== "tini") {
      const [child] = childrenOf(pid);
      if (child === undefined) throw new Error("the task has no init");
      pid = child;
    }
    this.init = pid;
  }

  /** Fields of the program's /proc/PID/status. */
  status(): Readonly<Record<string, string>> {
    const [program = 0] = childrenOf(this.init);
    const lines = readFileSync(`/proc/${program}/status`, "utf8").split("\n");
    return Object.fromEntries(lines.map((line) => line.split(/:\s+/u, 2)));
  }

  /** KILL ends the whole task: the kernel ends a PID namespace with its init. */
  async signal(name: "TERM" | "KILL"): Promise<void> {
    await runAsRoot("kill", `-${name}`, String(this.init));
  }

  /** Runs a command inside, as ECS runs the health check. @throws Error when it fails. */
  async run(...command: readonly string[]): Promise<string> {
    const { user } = this.#container;
    const enter = `nsenter --target=${this.init} --mount --pid --ipc --uts --root --wd`.split(" ");
    const become = `setpriv --reuid ${user} --regid ${user} --clear-groups env --ignore-environment`.split(
      " ",
    );
    return runAsRoot(...enter, ...become, "PATH=/usr/local/bin:/usr/bin:/bin", ...command);
  }
}
