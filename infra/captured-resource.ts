/** A resource that a component of SST creates but does not expose. Other resources may depend on it. */
export interface CapturedResource {
  /** For `dependsOn`. Pending until the component creates the resource. */
  readonly resource: Promise<$util.Resource>;
  /** Called with the options of the resource, in the component's transform. */
  readonly captureFrom: (options: $util.CustomResourceOptions) => void;
}

export function captureResource(): CapturedResource {
  const { promise, resolve } = Promise.withResolvers<$util.Resource>();
  return {
    resource: promise,
    captureFrom: (options) => {
      // Pulumi passes the resource to each transformation of its arguments; this one changes nothing.
      const capturing: $util.ResourceTransformation = ({ resource }) => {
        resolve(resource);
        return undefined;
      };
      options.transformations = [...(options.transformations ?? []), capturing];
    },
  };
}
