import { GetParameterCommand, ParameterNotFound, SSMClient } from "@aws-sdk/client-ssm";
import { CLIENT_OPTIONS } from "./aws-clients.ts";
import { ServiceCalls } from "./service-calls.ts";

export interface Parameters {
  /**
   * Value of a parameter of Parameter Store, decrypted; null = no such parameter. Read each time: a secret
   * that was replaced is used from then on.
   *
   * @throws Unavailable
   */
  read(name: string): Promise<string | null>;
}

export function createParameters(): Parameters {
  const client = new SSMClient(CLIENT_OPTIONS);
  const calls = new ServiceCalls("parameter store");
  return {
    read: async (name) => {
      const command = new GetParameterCommand({ Name: name, WithDecryption: true });
      try {
        const { Parameter: parameter } = await calls.call(
          (abortSignal) => client.send(command, { abortSignal }),
          [ParameterNotFound.name],
        );
        return parameter?.Value ?? null;
      } catch (error) {
        if (error instanceof ParameterNotFound) return null;
        throw error;
      }
    },
  };
}
