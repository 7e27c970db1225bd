import { at, document, listOf, pascal, type Properties, type Rules, verbatim } from "./property-rules.ts";

/** The CloudFormation type for a type of Pulumi's AWS provider. */
export interface Translation {
  readonly type: string;
  readonly rules?: Rules;
  /** Properties that CloudFormation wants beside the inputs. */
  readonly added?: Properties;
}

const { entries } = Object;
const only = (value: unknown): Properties => listOf(value)[0] ?? {};

export const keySchema = (hash: unknown, range: unknown): readonly Properties[] =>
  entries({ HASH: hash, RANGE: range }).flatMap(([KeyType, AttributeName]) =>
    AttributeName === undefined ? [] : [{ AttributeName, KeyType }],
  );

const tableIndexes = (value: unknown): Properties => ({
  GlobalSecondaryIndexes: listOf(value).map(({ name, hashKey, rangeKey, projectionType }) => ({
    IndexName: name,
    KeySchema: keySchema(hashKey, rangeKey),
    Projection: { ProjectionType: projectionType },
  })),
});

/** Attributes of balancers and target groups: a list of texts, by the names of AWS's API. */
const attribute =
  (list: "LoadBalancerAttributes" | "TargetGroupAttributes", Key: string) =>
  (value: unknown): Properties => ({ [list]: [{ Key, Value: String(value) }] });

const groupRules =
  (direction: "SecurityGroupIngress" | "SecurityGroupEgress") =>
  (value: unknown): Properties => ({
    [direction]: listOf(value).flatMap(({ protocol, cidrBlocks, ...rest }) =>
      listOf(cidrBlocks).map((CidrIp) => ({
        ...(pascal(rest) as Properties),
        IpProtocol: protocol,
        CidrIp,
      })),
    ),
  });

/** Labels, options and the like are data inside of a container's definition. */
function container(definition: Properties): Properties {
  const { logConfiguration, ...rest } = definition;
  const logs = logConfiguration as Properties | undefined;
  return {
    ...(pascal(rest) as Properties),
    ...(logs === undefined
      ? {}
      : { LogConfiguration: { LogDriver: logs["logDriver"], Options: logs["options"] } }),
  };
}

const inlinePolicies = (value: unknown): Properties => ({
  Policies: listOf(value).map((policy) => ({
    PolicyName: policy["name"],
    ...document("PolicyDocument")(policy["policy"]),
  })),
});

const routeSettings = (value: unknown): Properties => ({
  RouteSettings: Object.fromEntries(
    listOf(value).map(({ routeKey, ...settings }) => [String(routeKey), pascal(settings)]),
  ),
});

const zoneByIndex = (zone: string): Properties => ({
  "Fn::Select": [zone.charCodeAt(zone.length - 1) - "a".charCodeAt(0), { "Fn::GetAZs": "" }],
});

const dimensions = (value: unknown): Properties => ({
  Dimensions: entries(value as Properties).map(([Name, Value]) => ({ Name, Value })),
});

const metricTransformations = (value: unknown): Properties => ({
  MetricTransformations: listOf(value).map(({ name, namespace, value: Value, ...rest }) => ({
    ...(pascal(rest) as Properties),
    MetricName: name,
    MetricNamespace: namespace,
    MetricValue: Value,
  })),
});

const awsvpc = (value: unknown): Properties => ({
  NetworkConfiguration: {
    AwsvpcConfiguration: {
      AssignPublicIp: at(value, "assignPublicIp") === true ? "ENABLED" : "DISABLED",
      SecurityGroups: at(value, "securityGroups"),
      Subnets: at(value, "subnets"),
    },
  },
});

/**
 * Every type of AWS that is translated. A property that CloudFormation does not know is a finding of
 * cfn-lint.
 */
export const TRANSLATIONS: Readonly<Record<string, Translation>> = {
  "acm/certificate:Certificate": { type: "AWS::CertificateManager::Certificate" },
  "apigatewayv2/api:Api": { type: "AWS::ApiGatewayV2::Api" },
  "apigatewayv2/apiMapping:ApiMapping": { type: "AWS::ApiGatewayV2::ApiMapping" },
  "apigatewayv2/authorizer:Authorizer": {
    type: "AWS::ApiGatewayV2::Authorizer",
    rules: {
      identitySources: "IdentitySource",
      jwtConfiguration: (value) => ({
        JwtConfiguration: { Audience: at(value, "audiences"), Issuer: at(value, "issuer") },
      }),
    },
  },
  "apigatewayv2/domainName:DomainName": {
    type: "AWS::ApiGatewayV2::DomainName",
    rules: { domainNameConfiguration: (value) => ({ DomainNameConfigurations: [pascal(value)] }) },
  },
  "apigatewayv2/integration:Integration": { type: "AWS::ApiGatewayV2::Integration" },
  "apigatewayv2/route:Route": { type: "AWS::ApiGatewayV2::Route" },
  "apigatewayv2/stage:Stage": {
    type: "AWS::ApiGatewayV2::Stage",
    rules: { name: "StageName", routeSettings },
  },
  "appautoscaling/policy:Policy": {
    type: "AWS::ApplicationAutoScaling::ScalingPolicy",
    rules: { name: "PolicyName" },
  },
  "appautoscaling/target:Target": { type: "AWS::ApplicationAutoScaling::ScalableTarget" },
  "cloudwatch/dashboard:Dashboard": { type: "AWS::CloudWatch::Dashboard" },
  "cloudwatch/eventRule:EventRule": {
    type: "AWS::Events::Rule",
    rules: { eventPattern: document("EventPattern") },
  },
  "cloudwatch/logGroup:LogGroup": { type: "AWS::Logs::LogGroup", rules: { name: "LogGroupName" } },
  "cloudwatch/logMetricFilter:LogMetricFilter": {
    type: "AWS::Logs::MetricFilter",
    rules: { name: "FilterName", pattern: "FilterPattern", metricTransformation: metricTransformations },
  },
  "cloudwatch/metricAlarm:MetricAlarm": {
    type: "AWS::CloudWatch::Alarm",
    rules: { name: "AlarmName", dimensions },
  },
  "dynamodb/table:Table": {
    type: "AWS::DynamoDB::Table",
    rules: {
      name: "TableName",
      attributes: (value) => ({
        AttributeDefinitions: listOf(value).map(({ name, type }) => ({
          AttributeName: name,
          AttributeType: type,
        })),
      }),
      globalSecondaryIndexes: tableIndexes,
      pointInTimeRecovery: (value) => ({
        PointInTimeRecoverySpecification: {
          PointInTimeRecoveryEnabled: at(value, "enabled"),
          RecoveryPeriodInDays: at(value, "recoveryPeriodInDays"),
        },
      }),
      serverSideEncryption: (value) => ({ SSESpecification: { SSEEnabled: at(value, "enabled") } }),
      ttl: (value) => ({ TimeToLiveSpecification: pascal(value) }),
      // Made of two inputs: see `combined`.
      hashKey: null,
      rangeKey: null,
      streamEnabled: null,
      streamViewType: (value) => ({ StreamSpecification: { StreamViewType: value } }),
    },
  },
  "ec2/eip:Eip": { type: "AWS::EC2::EIP" },
  "ec2/routeTableAssociation:RouteTableAssociation": { type: "AWS::EC2::SubnetRouteTableAssociation" },
  "ec2/securityGroup:SecurityGroup": {
    type: "AWS::EC2::SecurityGroup",
    rules: {
      description: "GroupDescription",
      name: "GroupName",
      ingress: groupRules("SecurityGroupIngress"),
      egress: groupRules("SecurityGroupEgress"),
    },
    added: { GroupDescription: "Managed by Pulumi" },
  },
  "ec2/subnet:Subnet": {
    type: "AWS::EC2::Subnet",
    // Found by asking the account, as GetAZs does.
    rules: { availabilityZone: (zone) => ({ AvailabilityZone: zoneByIndex(String(zone)) }) },
  },
  "ec2/vpc:Vpc": { type: "AWS::EC2::VPC" },
  "ec2/vpcEndpoint:VpcEndpoint": { type: "AWS::EC2::VPCEndpoint" },
  "ecs/cluster:Cluster": { type: "AWS::ECS::Cluster", rules: { name: "ClusterName" } },
  "ecs/clusterCapacityProviders:ClusterCapacityProviders": {
    type: "AWS::ECS::ClusterCapacityProviderAssociations",
    rules: { clusterName: "Cluster" },
    added: { DefaultCapacityProviderStrategy: [] },
  },
  "ecs/service:Service": {
    type: "AWS::ECS::Service",
    rules: {
      name: "ServiceName",
      capacityProviderStrategies: "CapacityProviderStrategy",
      networkConfiguration: awsvpc,
      serviceRegistries: (value) => ({ ServiceRegistries: listOf(value).map(pascal) }),
      deploymentCircuitBreaker: (value) => ({
        DeploymentConfiguration: { DeploymentCircuitBreaker: pascal(value) },
      }),
      deploymentMaximumPercent: (value) => ({ DeploymentConfiguration: { MaximumPercent: value } }),
      deploymentMinimumHealthyPercent: (value) => ({
        DeploymentConfiguration: { MinimumHealthyPercent: value },
      }),
      forceNewDeployment: null,
      waitForSteadyState: null,
    },
  },
  "ecs/taskDefinition:TaskDefinition": {
    type: "AWS::ECS::TaskDefinition",
    rules: {
      containerDefinitions: (value) => ({
        ContainerDefinitions: (JSON.parse(String(value)) as readonly Properties[]).map(container),
      }),
      trackLatest: null,
    },
  },
  "iam/policy:Policy": {
    type: "AWS::IAM::ManagedPolicy",
    rules: { name: "ManagedPolicyName", policy: document("PolicyDocument") },
  },
  "iam/role:Role": {
    type: "AWS::IAM::Role",
    rules: {
      name: "RoleName",
      assumeRolePolicy: document("AssumeRolePolicyDocument"),
      inlinePolicies,
    },
  },
  "kms/alias:Alias": { type: "AWS::KMS::Alias", rules: { name: "AliasName" } },
  "kms/key:Key": {
    type: "AWS::KMS::Key",
    rules: { deletionWindowInDays: "PendingWindowInDays", policy: document("KeyPolicy") },
  },
  "lambda/function:Function": {
    type: "AWS::Lambda::Function",
    rules: {
      name: "FunctionName",
      environment: (value) => ({ Environment: { Variables: at(value, "variables") } }),
      s3Bucket: (value) => ({ Code: { S3Bucket: value } }),
      s3Key: (value) => ({ Code: { S3Key: value } }),
      publish: null,
    },
  },
  "lambda/permission:Permission": {
    type: "AWS::Lambda::Permission",
    rules: { function: "FunctionName" },
  },
  "lb/listener:Listener": {
    type: "AWS::ElasticLoadBalancingV2::Listener",
    rules: {
      tcpIdleTimeoutSeconds: (value) => ({
        ListenerAttributes: [{ Key: "tcp.idle_timeout.seconds", Value: String(value) }],
      }),
    },
  },
  "lb/loadBalancer:LoadBalancer": {
    type: "AWS::ElasticLoadBalancingV2::LoadBalancer",
    rules: {
      loadBalancerType: "Type",
      internal: (value) => ({ Scheme: value === true ? "internal" : "internet-facing" }),
      enableCrossZoneLoadBalancing: attribute("LoadBalancerAttributes", "load_balancing.cross_zone.enabled"),
      enableDeletionProtection: attribute("LoadBalancerAttributes", "deletion_protection.enabled"),
    },
  },
  "lb/targetGroup:TargetGroup": {
    type: "AWS::ElasticLoadBalancingV2::TargetGroup",
    rules: {
      // The provider makes a name of it.
      namePrefix: null,
      healthCheck: (value) => ({
        HealthCheckEnabled: true,
        HealthyThresholdCount: at(value, "healthyThreshold"),
        UnhealthyThresholdCount: at(value, "unhealthyThreshold"),
        HealthCheckIntervalSeconds: at(value, "interval"),
        HealthCheckTimeoutSeconds: at(value, "timeout"),
        HealthCheckPath: at(value, "path"),
        HealthCheckPort: at(value, "port"),
        HealthCheckProtocol: at(value, "protocol"),
        Matcher: { HttpCode: at(value, "matcher") },
      }),
      connectionTermination: attribute(
        "TargetGroupAttributes",
        "deregistration_delay.connection_termination.enabled",
      ),
      deregistrationDelay: attribute("TargetGroupAttributes", "deregistration_delay.timeout_seconds"),
      preserveClientIp: attribute("TargetGroupAttributes", "preserve_client_ip.enabled"),
      targetHealthStates: (value) =>
        attribute(
          "TargetGroupAttributes",
          "target_health_state.unhealthy.connection_termination.enabled",
        )(only(value)["enableUnhealthyConnectionTermination"]),
      proxyProtocolV2: attribute("TargetGroupAttributes", "proxy_protocol_v2.enabled"),
    },
  },
  "route53/record:Record": {
    type: "AWS::Route53::RecordSet",
    rules: {
      zoneId: "HostedZoneId",
      ttl: (value) => ({ TTL: String(value) }),
      records: "ResourceRecords",
      aliases: (value) => ({
        AliasTarget: {
          DNSName: only(value)["name"],
          HostedZoneId: only(value)["zoneId"],
          EvaluateTargetHealth: only(value)["evaluateTargetHealth"],
        },
      }),
      allowOverwrite: null,
    },
  },
  "s3/bucket:Bucket": { type: "AWS::S3::Bucket", rules: { bucket: "BucketName", forceDestroy: null } },
  "s3/bucketPolicy:BucketPolicy": {
    type: "AWS::S3::BucketPolicy",
    rules: { policy: document("PolicyDocument") },
  },
  "scheduler/schedule:Schedule": {
    type: "AWS::Scheduler::Schedule",
    rules: {
      target: (value) => ({ Target: pascal(value) }),
    },
  },
  "servicediscovery/privateDnsNamespace:PrivateDnsNamespace": {
    type: "AWS::ServiceDiscovery::PrivateDnsNamespace",
  },
  "servicediscovery/service:Service": {
    type: "AWS::ServiceDiscovery::Service",
    rules: { forceDestroy: null },
  },
  "sns/topic:Topic": {
    type: "AWS::SNS::Topic",
    rules: {
      name: "TopicName",
      // false is not said there: it is the default, and the only other value is true.
      fifoTopic: (value) => (value === true ? { FifoTopic: true } : {}),
    },
  },
  "sns/topicSubscription:TopicSubscription": {
    type: "AWS::SNS::Subscription",
    rules: { topic: "TopicArn" },
  },
  "ssm/parameter:Parameter": { type: "AWS::SSM::Parameter", rules: { tags: verbatim("Tags") } },
  "vpc/securityGroupEgressRule:SecurityGroupEgressRule": {
    type: "AWS::EC2::SecurityGroupEgress",
    rules: { securityGroupId: "GroupId" },
  },
  "vpc/securityGroupIngressRule:SecurityGroupIngressRule": {
    type: "AWS::EC2::SecurityGroupIngress",
    rules: { securityGroupId: "GroupId", referencedSecurityGroupId: "SourceSecurityGroupId" },
  },
};
