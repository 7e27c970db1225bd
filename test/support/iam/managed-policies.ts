/**
 * AWS's own policies that roles of a stage have, by the end of their ARNs, with their actions; each is
 * allowed on `*` (https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html).
 */
export const MANAGED_POLICIES: Readonly<Record<string, readonly string[]>> = {
  "service-role/AWSLambdaBasicExecutionRole": [
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
  ],
  "service-role/AmazonECSTaskExecutionRolePolicy": [
    "ecr:GetAuthorizationToken",
    "ecr:BatchCheckLayerAvailability",
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchGetImage",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
  ],
};
