// A client of another maker, which runs a job on the line: node node_client.mjs '{"endpoint": …}'
//
// It prints a line of JSON when it listens, and one with all that it saw when it is done.

import { createRequire } from "node:module";

const given = JSON.parse(process.argv[2]);
const require = createRequire(given.modules);
const {
    AttributeIds, DataType, MessageSecurityMode, OPCUAClient, SecurityPolicy, UserTokenType, Variant, VariantArrayType,
    constructEventFilter, resolveNodeId,
} = require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");

const FIELDS = ["EventType", "ResultId", "JobId", "PartId", "InternalRecipeId", "ResultState", "ResultContent"];
const manager = new OPCUACertificateManager({ rootFolder: given.folder, automaticallyAcceptUnknownCertificate: true });

function client(certificate) {
    return OPCUAClient.create({
        clientCertificateManager: manager,
        certificateFile: certificate.certificate,
        privateKeyFile: certificate.key,
        securityMode: MessageSecurityMode.SignAndEncrypt,
        securityPolicy: SecurityPolicy[given.policy],
        endpointMustExist: false,
        connectionStrategy: { maxRetry: 0, initialDelay: 100 },
    });
}

async function withSession(certificate, password, work) {
    const connection = client(certificate);
    try {
        await connection.connect(given.endpoint);
        const session = await connection.createSession({ type: UserTokenType.UserName, userName: "olga", password });
        try {
            return await work(session);
        } finally {
            await session.close();
        }
    } catch (error) {
        return { refused: error.message };
    } finally {
        await connection.disconnect();
    }
}

async function browse(session, nodeId) {
    const { references } = await session.browse({ nodeId, browseDirection: 0, includeSubtypes: true, resultMask: 63 });
    return Object.fromEntries(references.map((one) => [one.browseName.name, one.nodeId]));
}

async function runJob(session) {
    const index = (await session.readNamespaceArray()).indexOf("http://opcfoundation.org/UA/MachineVision");
    const system = (await browse(session, resolveNodeId("ObjectsFolder"))).VisionSystem;
    const parts = await browse(session, system);
    const automatic = (await browse(session, parts.VisionStateMachine)).AutomaticModeStateMachine;
    const method = (await browse(session, automatic)).StartSingleJob;

    const subscription = await session.createSubscription2({ requestedPublishingInterval: 10, publishingEnabled: true });
    const filter = constructEventFilter(FIELDS.map((name) => (name === "EventType" ? name : `${index}:${name}`)));
    const item = await subscription.monitor(
        { nodeId: resolveNodeId("Server"), attributeId: AttributeIds.EventNotifier },
        { queueSize: 100, filter, samplingInterval: 0 },
        2,
    );
    const heard = new Promise((resolve) => {
        item.on("changed", (fields) => {
            const event = Object.fromEntries(FIELDS.map((name, place) => [name, fields[place].value]));
            if (event.EventType.value === 1024) resolve(event);
        });
    });

    const id = async (number, text) =>
        session.constructExtensionObject(resolveNodeId(`ns=${index};i=${number}`), { id: text });
    const structure = (value) => new Variant({ dataType: DataType.ExtensionObject, value });
    const answer = await session.call({
        objectId: automatic,
        methodId: method,
        inputArguments: [
            structure(await id(3015, "")),
            structure(await id(3004, "N-1")),
            structure(await id(3002, "")),
            structure(await id(3003, "")),
            new Variant({ dataType: DataType.Variant, arrayType: VariantArrayType.Array, value: [] }),
        ],
    });
    console.log(JSON.stringify({ started: answer.statusCode.name }));
    const event = await heard;
    await subscription.terminate();
    return {
        parts: Object.keys(parts),
        job: answer.outputArguments[0].value.id,
        event: {
            result: event.ResultId.id,
            job: event.JobId.id,
            part: event.PartId.id,
            recipe: event.InternalRecipeId.id,
            state: event.ResultState,
            content: event.ResultContent[0].value ?? event.ResultContent[0],
        },
    };
}

await manager.initialize();
const nothing = async () => ({});
const seen = {
    wrong_password: await withSession(given.trusted, "wrong", nothing),
    untrusted: await withSession(given.untrusted, given.password, nothing),
    ran: await withSession(given.trusted, given.password, runJob),
};
console.log(JSON.stringify(seen));
process.exit(0);
